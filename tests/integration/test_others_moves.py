"""S7 to S11, the moves that pool, reconciler, operators and booths make: what each changes, and when it must not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from jobs.engine.rings import queue_of
from jobs.errors import ClaimLost, Conflict
from jobs.farm import Farm
from jobs.orders import repairs
from jobs.orders.models import Event, Step, Task
from tests import builders
from tests.builders import accept, change, claim, fail, finish, get_step, get_task, list_calls, must_claim, retry, send


def crash(farm: Farm, step_id: int, worker: str, *, crashed: bool = True) -> None:
    """The pool saw a worker die."""
    farm.database.write(
        repairs.release_step, step_id, actor="pool", worker=worker, crashed=crashed, reason="It kills workers."
    )


def sweep(farm: Farm, step_id: int) -> None:
    """The reconciler found a claim that ran out."""
    farm.database.write(repairs.release_step, step_id, actor="reconciler", reason="It kills workers.")


def test_a_dead_workers_step_is_queued_at_once_and_its_call_stays_open(farm: Farm) -> None:
    accept(farm)
    first = must_claim(farm, "worker-1")
    sent = send(farm, first)
    crash(farm, first.held.step_id, "worker-1")
    step = get_step(farm, first.held.step_id)
    assert (step.status, step.attempt, step.crashes, step.worker) == ("queued", 2, 1, None)
    second = must_claim(farm, "worker-2")
    assert second.adopted
    assert (second.call.id, second.call.sent_at) == (sent.id, sent.sent_at)
    assert get_step(farm, first.held.step_id).claims == 2


def test_the_second_crash_waits_and_the_third_is_poison(farm: Farm) -> None:
    (task_id,) = accept(farm)
    for number in (1, 2, 3):
        claimed = must_claim(farm, f"worker-{number}")
        if number == 1:
            send(farm, claimed)
        crash(farm, claimed.held.step_id, f"worker-{number}")
        step = get_step(farm, claimed.held.step_id)
        if number == 2:
            assert (step.status, step.attempt) == ("retrying", 3)
            assert step.not_before is not None
            assert 8 < (step.not_before - builders.seconds_ago(0)).total_seconds() <= 10
            assert claim(farm) is None
            change(farm, Step, step.id, not_before=builders.seconds_ago(1))
            farm.database.write(repairs.requeue_step, step.id, actor="reconciler")
    task = get_task(farm, task_id)
    assert (step.status, step.kind, step.crashes) == ("failed", "poison", 3)
    assert (task.status, task.kind, task.reason) == ("failed", "poison", "It kills workers.")
    assert [(call.state, call.outcome) for call in list_calls(farm)] == [("closing", None)]


def test_ten_claims_in_a_row_that_run_out_are_poison(farm: Farm) -> None:
    (task_id,) = accept(farm)
    for number in range(1, 11):
        claimed = must_claim(farm)
        change(farm, Step, claimed.held.step_id, claim_until=builders.seconds_ago(1))
        sweep(farm, claimed.held.step_id)
        assert get_step(farm, claimed.held.step_id).status == ("queued" if number < 10 else "failed")
    assert get_task(farm, task_id).kind == "poison"
    assert get_step(farm, claimed.held.step_id).crashes == 0


def test_claims_are_counted_anew_after_a_retry(farm: Farm) -> None:
    accept(farm)
    for number in range(12):
        claimed = must_claim(farm)
        change(farm, Step, claimed.held.step_id, claim_until=builders.seconds_ago(1))
        if number == 8:
            retry(farm, claimed, kind="away")
            farm.database.write(repairs.requeue_step, claimed.held.step_id, actor="reconciler")
        else:
            sweep(farm, claimed.held.step_id)
    assert get_step(farm, claimed.held.step_id).status == "queued"


def test_a_worker_that_was_ended_on_purpose_counts_no_crash(farm: Farm) -> None:
    accept(farm)
    claimed = must_claim(farm, "worker-1")
    crash(farm, claimed.held.step_id, "worker-1", crashed=False)
    step = get_step(farm, claimed.held.step_id)
    assert (step.status, step.crashes, step.attempt) == ("queued", 0, 2)


def test_the_wait_over_queues_the_same_attempt(farm: Farm) -> None:
    accept(farm)
    claimed = must_claim(farm)
    retry(farm, claimed, wait_s=50)
    with pytest.raises(ClaimLost):
        farm.database.write(repairs.requeue_step, claimed.held.step_id, actor="reconciler")
    assert farm.database.read(repairs.list_due_retries) == []
    change(farm, Step, claimed.held.step_id, not_before=builders.seconds_ago(1))
    assert farm.database.read(repairs.list_due_retries) == [claimed.held.step_id]
    farm.database.write(repairs.requeue_step, claimed.held.step_id, actor="reconciler")
    again = must_claim(farm)
    assert (again.held.attempt, again.adopted, again.call.call_no) == (2, False, 2)


def test_a_failed_task_comes_back_with_fresh_counters_and_a_new_deadline(farm: Farm) -> None:
    (task_id,) = accept(farm)
    claimed = must_claim(farm)
    fail(farm, claimed)
    change(farm, Task, task_id, deadline_at=builders.seconds_ago(100))
    change(farm, Step, claimed.held.step_id, crashes=2, claims=9, failures=7)
    farm.database.write(repairs.revive_task, task_id, actor="operator:admin", deadline_s=600)
    task, step = get_task(farm, task_id), get_step(farm, claimed.held.step_id)
    assert (task.status, task.kind, task.reason, task.finished_at) == ("running", None, None, None)
    assert (step.status, step.attempt, step.failures, step.crashes, step.claims) == ("queued", 2, 0, 0, 0)
    assert task.deadline_at > builders.seconds_ago(-590)
    with pytest.raises(Conflict):
        farm.database.write(repairs.revive_task, task_id, actor="operator:admin", deadline_s=600)
    assert finish(farm, must_claim(farm))


@pytest.mark.parametrize("status", ["pending and queued", "running", "retrying"])
def test_a_task_past_its_deadline_fails_whatever_its_step_does(farm: Farm, status: str) -> None:
    (task_id,) = accept(farm, style=builders.TWO_STEPS)
    if status != "pending and queued":
        claimed = must_claim(farm)
        send(farm, claimed)
    if status == "retrying":
        retry(farm, claimed, wait_s=50)
    with pytest.raises(ClaimLost):
        farm.database.write(repairs.expire_task, task_id, actor="reconciler", reason="Too late.")
    change(farm, Task, task_id, deadline_at=builders.seconds_ago(1))
    assert claim(farm) is None, "a step past its deadline was taken"
    assert farm.database.read(repairs.list_past_deadline) == [task_id]
    farm.database.write(repairs.expire_task, task_id, actor="reconciler", reason="Too late.")
    task, step = get_task(farm, task_id), builders.list_steps(farm)[0]
    assert (task.status, task.kind, step.status, step.kind) == ("failed", "deadline", "failed", "deadline")
    assert [call.state for call in list_calls(farm)] == {"running": ["closing"], "retrying": ["closed"]}.get(status, [])


@pytest.mark.parametrize("sent", [True, False])
def test_canceling_a_running_task_stops_what_was_sent_and_closes_what_was_not(farm: Farm, sent: bool) -> None:
    (task_id,) = accept(farm, style=builders.TWO_STEPS)
    claimed = must_claim(farm)
    if sent:
        send(farm, claimed)
    assert farm.database.write(repairs.cancel_task, task_id, actor="booth")
    assert get_task(farm, task_id).status == "canceled"
    assert [step.status for step in builders.list_steps(farm)] == ["canceled", "canceled"]
    (call,) = list_calls(farm)
    assert (call.state, call.outcome) == (("closing", None) if sent else ("closed", "unsent"))
    with pytest.raises(ClaimLost):
        finish(farm, claimed)
    with pytest.raises(ClaimLost):
        send(farm, claimed)
    assert builders.list_images(farm) == []


MOVES: dict[str, Callable[[Farm, int, int], object]] = {
    "S7 of a dead worker": lambda farm, task_id, step_id: crash(farm, step_id, "worker-1"),
    "S7 of a claim run out": lambda farm, task_id, step_id: sweep(farm, step_id),
    "S8": lambda farm, task_id, step_id: farm.database.write(repairs.requeue_step, step_id, actor="x"),
    "S10": lambda farm, task_id, step_id: farm.database.write(repairs.expire_task, task_id, actor="x", reason=""),
}


@pytest.mark.parametrize("move", MOVES)
def test_nobody_moves_a_step_that_another_worker_holds(farm: Farm, move: str) -> None:
    (task_id,) = accept(farm)
    step_id = must_claim(farm, "worker-2").held.step_id
    before = builders.read_everything(farm)
    with pytest.raises(ClaimLost):
        MOVES[move](farm, task_id, step_id)
    assert builders.read_everything(farm) == before


@pytest.mark.parametrize("move", MOVES)
def test_nobody_moves_a_step_that_has_ended(farm: Farm, move: str) -> None:
    (task_id,) = accept(farm)
    claimed = must_claim(farm, "worker-1")
    finish(farm, claimed)
    change(farm, Task, task_id, deadline_at=builders.seconds_ago(1))
    before = builders.read_everything(farm)
    with pytest.raises(ClaimLost):
        MOVES[move](farm, task_id, claimed.held.step_id)
    assert not farm.database.write(repairs.cancel_task, task_id, actor="x")
    after = builders.read_everything(farm)
    before.pop("orders")
    after.pop("orders")  # its version may rise: followers look once more
    assert after == before


def test_the_history_and_the_ring_name_the_right_attempts(farm: Farm) -> None:
    accept(farm, style=builders.TWO_STEPS)
    claimed = must_claim(farm)
    farm.redis.flushall()
    farm.database.write(repairs.release_step, claimed.held.step_id, actor="pool:comfyui", worker="worker-1")
    builders.fail(farm, must_claim(farm))
    farm.database.write(repairs.revive_task, claimed.held.task_id, actor="admin", deadline_s=60)
    builders.finish(farm, must_claim(farm))
    following = builders.list_steps(farm)[1]
    history = select(Event.move, Event.attempt).where(Event.step_id.is_not(None)).order_by(Event.id)
    events = farm.database.read(lambda session: [tuple(row) for row in session.execute(history)])
    assert events == [("S2", 1), ("S7", 1), ("S2", 2), ("S6", 2), ("S9", 3), ("S2", 3), ("S4", 3)]
    rings = [(job.kwargs["step_id"], job.kwargs["attempt"]) for job in queue_of("comfyui", farm.redis).jobs]
    assert rings == [(claimed.held.step_id, 2), (claimed.held.step_id, 3), (following.id, 1)]
