"""A step that hangs past its time limit: the beat ends, the claim runs out, and the reconciler takes the step away."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from jobs.engine.changes import Announcer
from jobs.engine.claims import Claim
from jobs.engine.hold import Hold
from jobs.farm import Farm
from jobs.orders import repairs
from jobs.settings import Settings
from tests.acceptance.farm_process import eventually
from tests.builders import accept, get_step, must_claim, open_farm

CLAIM_SECONDS = 1.5


@pytest.fixture
def farm(settings: Settings) -> Iterator[Farm]:
    """A farm of short claims."""
    with open_farm(settings, claim_s=CLAIM_SECONDS) as farm:
        yield farm


def hold_step(farm: Farm, claimed: Claim, *, timeout_s: float, grace_s: float) -> Hold:
    """A hold whose step may take so long."""
    return Hold(
        farm.database,
        Announcer(farm.redis),
        claimed,
        asked_at=time.monotonic(),
        claim_s=CLAIM_SECONDS,
        timeout_s=timeout_s,
        grace_s=grace_s,
    )


def test_i5_the_beat_of_a_step_that_hangs_ends_with_its_time(farm: Farm) -> None:
    accept(farm)
    claimed = must_claim(farm)
    with hold_step(farm, claimed, timeout_s=0.1, grace_s=0.1):
        until = get_step(farm, claimed.held.step_id).claim_until
        eventually(
            lambda: farm.database.read(repairs.list_expired) == [claimed.held.step_id],
            "the claim runs out although the step's worker lives",
            seconds=40,
        )
        assert get_step(farm, claimed.held.step_id).claim_until == until


def test_s3_the_beat_of_a_step_within_its_time_goes_on(farm: Farm) -> None:
    accept(farm)
    claimed = must_claim(farm)
    until = get_step(farm, claimed.held.step_id).claim_until
    assert until is not None
    with hold_step(farm, claimed, timeout_s=60, grace_s=60) as hold:
        eventually(lambda: (get_step(farm, claimed.held.step_id).claim_until or until) > until, "a beat")
        hold.check()
