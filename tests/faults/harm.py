"""What is done to those who stand at a point. Each returns once the harm is done and the farm is left to itself."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil

from tests.faults.farm import CLAIM_SECONDS, FaultFarm, wait_until_ended
from tests.faults.points import Standing

FROZEN_SECONDS = 1.8 * CLAIM_SECONDS

Harm = Callable[[FaultFarm, Standing], None]


def _end(farm: FaultFarm, standing: Standing, victims: list[psutil.Process], *, politely: bool = False) -> None:
    doomed = victims + (farm.workers() if farm.pool() in victims else [])
    for victim in victims:
        if politely:
            victim.terminate()
        else:
            victim.kill()
    wait_until_ended(doomed)
    assert standing.is_gone()  # first of all: what stood at a gate is gone with its process
    standing.let_others_go()
    standing.open_gate()


def kill_it(farm: FaultFarm, standing: Standing) -> None:
    """kill -9 of whoever stands there."""
    _end(farm, standing, [standing.process])


def kill_pool(farm: FaultFarm, standing: Standing) -> None:
    """kill -9 of its pool; the workers die with it."""
    _end(farm, standing, [farm.pool()])


def kill_both(farm: FaultFarm, standing: Standing) -> None:
    """kill -9 of the worker and at once of its pool, which may not make the dead one's move any more."""
    _end(farm, standing, [standing.process, farm.pool()])


def end_it(farm: FaultFarm, standing: Standing) -> None:
    """SIGTERM for whoever stands there."""
    _end(farm, standing, [standing.process], politely=True)


def end_pool(farm: FaultFarm, standing: Standing) -> None:
    """SIGTERM for its pool, which drains its workers."""
    _end(farm, standing, [farm.pool()], politely=True)


def end_both(farm: FaultFarm, standing: Standing) -> None:
    """SIGTERM for the worker and for its pool."""
    _end(farm, standing, [standing.process, farm.pool()], politely=True)


def freeze(farm: FaultFarm, standing: Standing) -> None:
    """SIGSTOP for 1.8 claims while all others go on; then what it was sending goes out, and it wakes."""
    standing.process.suspend()
    try:
        standing.let_others_go()
        time.sleep(FROZEN_SECONDS)  # this time is the fault itself
    finally:
        standing.open_gate()
        standing.process.resume()
