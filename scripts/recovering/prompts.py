"""Bringing a farm into the state in which something is killed: prompts in their middle, tasks that wait behind them."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
import requests

from scripts.benching import photos
from scripts.benching.farm import STYLE, Farm
from scripts.benching.rig import Bench, eventually
from scripts.embedded_redis import connect_as_admin
from scripts.recovering.watching import Claimed, Watch

WORKERS = 10
SHORT_SECONDS = 0.2
PATIENCE_SECONDS = 120.0
STEERING_SECONDS = 5.0
QUICK = {
    "CLAIM_S": "3",
    "SWEEP_S": "0.3",
    "RING_S": "0.6",
    "PROBE_S": "0.5",
    "REFUSED_S": "1",
    "SILENT_S": "3",
    "LOOKUP_GAP_S": "0.3",
    "DISK_RESERVE_MB": "1",
}
"""Timings that show in seconds that a measurement goes its whole way; its figures then say nothing."""

_numbers = itertools.count(1)


def settings_for(bench: Bench, workers: int) -> dict[str, str]:
    """A farm's settings: every timing as it is delivered. Only ComfyUI workers, and booths as hasty as we need them."""
    own = {"COMFYUI_WORKERS": str(workers), "API_WORKERS": "0", "BOOTH_RATE": "100000"}
    return own | (QUICK if bench.quick else {})


def submit(farm: Farm, tasks: int) -> None:
    """Have so many new tasks accepted, each an order of one small photo."""
    booths = farm.booths()
    try:
        for booth in itertools.islice(itertools.cycle(booths), tasks):
            number = next(_numbers)
            booth.submit(f"recovery-{number}", photos.small(number), STYLE)
    finally:
        for booth in booths:
            booth.close()


def hold(urls: Sequence[str]) -> None:
    """From now on every prompt at these stand-ins stops in its middle."""
    for url in urls:
        requests.post(f"{url}/_standin/faults", json={"kind": "hold"}, timeout=STEERING_SECONDS).raise_for_status()


def release(urls: Sequence[str]) -> None:
    """Let them go on."""
    for url in urls:
        requests.delete(f"{url}/_standin/faults", timeout=STEERING_SECONDS).raise_for_status()


@contextmanager
def held_prompts(farm: Farm, watch: Watch, urls: Sequence[str], log: Path, tasks: int) -> Iterator[list[Claimed]]:
    """That many prompts in their middle, one at each worker; let go afterwards."""
    begun = time.time()
    hold(urls)
    submit(farm, tasks)
    eventually(lambda: len(rows_after(log, begun, "hold")) >= tasks, f"{tasks} prompts are in their middle")
    yield watch.running()
    release(urls)


def rows_after(log: Path, moment: float, event: str) -> list[dict[str, Any]]:
    """A kind of event that stand-ins wrote into their journal since a moment of time.time(), in order."""
    rows = (json.loads(line) for line in log.read_text().splitlines())
    return [row for row in rows if row["t"] >= moment and row["event"] == event]


def admin_of(started: Farm) -> redis.Redis:
    """The farm's embedded Redis, as its administrator."""
    return connect_as_admin(started.folder / "data" / "redis")
