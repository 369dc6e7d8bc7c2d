"""The reconciler: what runs out is taken on, rings that were lost are rung again, files that nobody names go."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from jobs.engine import reconcile
from jobs.engine.orphans import ORPHAN_SECONDS, sweep_orphans
from jobs.engine.reconcile import Reconciler
from jobs.engine.rings import EPOCH_KEY, count_rings, queue_of
from jobs.farm import Farm
from jobs.orders import pauses
from jobs.orders.models import Call, Step, Task
from tests import builders
from tests.builders import accept, change, get_step, get_task, list_calls, must_claim, retry, seconds_ago, send


class Clock:
    """The reconciler's own clock, moved by hand."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(reconcile, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


@pytest.fixture
def reconciler(farm: Farm, clock: Clock) -> Iterator[Reconciler]:
    """One that has been at work for longer than a claim."""
    reconciler = farm.reconciler()
    for _ in range(4):
        clock.now += 10
        reconciler.sweep()
    yield reconciler


def test_claims_that_ran_out_waits_that_are_over_and_deadlines_are_swept(farm: Farm, reconciler: Reconciler) -> None:
    accept(farm, 4)
    builders.stock(farm, builders.OTHER_SERVER)
    expired, waiting, late, held = (must_claim(farm) for _ in range(4))
    change(farm, Step, expired.held.step_id, claim_until=seconds_ago(1))
    retry(farm, waiting, wait_s=0)
    change(farm, Task, late.held.task_id, deadline_at=seconds_ago(1))
    before = get_step(farm, held.held.step_id).claim_until
    reconciler.sweep()
    statuses = [get_step(farm, claimed.held.step_id).status for claimed in (expired, waiting, late, held)]
    assert statuses == ["queued", "queued", "failed", "running"]
    assert get_task(farm, late.held.task_id).kind == "deadline"
    assert get_step(farm, held.held.step_id).claim_until == before
    assert count_rings(farm.redis, "comfyui") == 6


def test_a_second_sweep_changes_nothing(farm: Farm, reconciler: Reconciler) -> None:
    accept(farm, 2)
    claimed = must_claim(farm)
    change(farm, Step, claimed.held.step_id, claim_until=seconds_ago(1))
    reconciler.sweep()
    before = builders.read_everything(farm)
    reconciler.sweep()
    farm.reconciler().sweep()
    assert builders.read_everything(farm) == before


def test_claims_are_left_alone_for_one_claim_after_a_start_or_a_gap(
    farm: Farm, reconciler: Reconciler, clock: Clock
) -> None:
    accept(farm)
    claimed = must_claim(farm)
    change(farm, Step, claimed.held.step_id, claim_until=seconds_ago(1))
    farm.reconciler().sweep()
    clock.now += 20  # longer than half a claim since the last round
    reconciler.sweep()
    assert get_step(farm, claimed.held.step_id).status == "running"
    for _ in range(3):
        clock.now += 10
        reconciler.sweep()
    assert get_step(farm, claimed.held.step_id).status == "queued"


def test_lost_rings_are_rung_again_and_just_those(farm: Farm, reconciler: Reconciler) -> None:
    accept(farm, 5)
    queue = queue_of("comfyui", farm.redis)
    assert queue.count == 5
    queue.empty()
    reconciler.compare_rings()
    assert queue.count == 5
    for job_id in queue.job_ids[:2]:
        queue.remove(job_id)
    reconciler.compare_rings()
    reconciler.compare_rings()
    assert queue.count == 5
    farm.redis.flushall()
    reconciler.compare_rings()
    assert queue.count == 5
    assert farm.redis.exists(EPOCH_KEY)


def test_nothing_is_rung_for_what_is_not_due(farm: Farm, reconciler: Reconciler) -> None:
    accept(farm, 3, style=builders.TWO_STEPS)
    must_claim(farm)
    first_of_second, first_of_third = (step.id for step in builders.list_steps(farm)[2::2])
    change(farm, Step, first_of_second, not_before=seconds_ago(-60))
    farm.redis.flushall()
    reconciler.compare_rings()
    (job,) = queue_of("comfyui", farm.redis).jobs
    assert job.kwargs == {"step_id": first_of_third, "attempt": 1}


def test_files_that_no_row_names_go_after_an_hour_and_others_stay(farm: Farm) -> None:
    accept(farm)
    builders.finish(farm, must_claim(farm))
    named = builders.list_files(farm)
    old = [farm.storage.write("images", b"x", label="-a1"), farm.storage.write("photos", b"x")]
    half = farm.storage.locate(old[1]).with_suffix(".part")
    half.write_bytes(b"x")
    fresh = farm.storage.write("images", b"x", label="-a2")
    long_ago = time.time() - ORPHAN_SECONDS - 60
    for path in [*named, *old, str(half.relative_to(farm.storage.root))]:
        os.utime(farm.storage.locate(path), (long_ago, long_ago))
    sweep_orphans(farm.database, farm.storage, lambda: False)
    assert builders.list_files(farm) == sorted([*named, fresh])


def test_a_pause_that_is_over_is_dropped(farm: Farm, reconciler: Reconciler) -> None:
    farm.database.write(pauses.pause, "provider:openai", "busy", -1.0)
    farm.database.write(pauses.pause, "intake", "cleaning")
    reconciler.sweep()
    assert farm.database.read(lambda session: [row.scope for row in session.query(reconcile.pauses.Pause)]) == [
        "intake"
    ]


def test_closing_calls_that_nobody_can_be_asked_about_are_closed_in_time(farm: Farm, reconciler: Reconciler) -> None:
    accept(farm, 2)
    for _ in range(2):
        send(farm, must_claim(farm))
    farm.interventions.cancel_order("order-1", actor="booth")
    first, second = list_calls(farm)
    change(farm, Call, first.id, closing_at=seconds_ago(61), server="http://gone")
    change(farm, Call, second.id, server="http://gone")
    reconciler.sweep()
    assert [(call.state, call.outcome) for call in list_calls(farm)] == [("closed", "unknown"), ("closing", None)]
