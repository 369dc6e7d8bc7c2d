"""The figures that only grow: exact at every moment, wherever the events are cut, counted once by two reconcilers."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.database import Database
from jobs.engine.retries import REASONS
from jobs.farm import Farm
from jobs.figures import read_queue, read_stats
from jobs.orders import book, calls, moves, repairs, stats, tallies
from jobs.orders.events import raise_version, record
from jobs.orders.models import Event, Step, Tally, TallyPosition, Task
from jobs.orders.tallies import total
from tests import builders
from tests.builders import ONE_STEP, TWO_STEPS, accept, change, fail, finish, must_claim, retry, seconds_ago


def live_through_everything(farm: Farm) -> None:
    """Nine tasks with every kind of move: success, a chain, retries, a crash, poison, failures, revival, cancels."""
    accept(farm, 5, order_id="first")
    accept(farm, 4, order_id="chains", style=TWO_STEPS)
    finish(farm, must_claim(farm))
    claimed = must_claim(farm)
    retry(farm, claimed, kind="transient")
    farm.database.write(repairs.requeue_step, claimed.held.step_id, actor="reconciler")
    finish(farm, must_claim(farm))
    claimed = must_claim(farm)
    fail(farm, claimed, kind="content_refused")
    farm.database.write(repairs.revive_task, claimed.held.task_id, actor="admin", deadline_s=60)
    finish(farm, must_claim(farm))
    claimed = must_claim(farm, "worker-9")
    for _ in range(3):
        release(farm, claimed.held.step_id, crashed=True)
        change(farm, Step, claimed.held.step_id, not_before=None, status="queued")
        if builders.get_task(farm, claimed.held.task_id).status == "failed":
            change(farm, Step, claimed.held.step_id, status="failed")
            break
        claimed = must_claim(farm, "worker-9")
    finish(farm, must_claim(farm))
    finish(farm, must_claim(farm))  # the first step of a chain
    finish(farm, must_claim(farm), images=2)
    farm.interventions.cancel_task(task_uid(farm, 7), actor="booth:b")  # both of its steps are open
    held = must_claim(farm)
    change(farm, Step, held.held.step_id, claim_until=seconds_ago(1))
    farm.database.write(repairs.release_step, held.held.step_id, actor="reconciler")
    change(farm, Task, 9, deadline_at=seconds_ago(1))
    farm.database.write(repairs.expire_task, 9, actor="reconciler", reason=REASONS["deadline"])
    finish(farm, must_claim(farm))


def release(farm: Farm, step_id: int, *, crashed: bool) -> None:
    farm.database.write(repairs.release_step, step_id, actor="pool:comfyui", worker="worker-9", crashed=crashed)


def task_uid(farm: Farm, row_id: int) -> str:
    return builders.get_task(farm, row_id).task_id


def count_by_looking(session: Session) -> tuple[int, int, int]:
    """(ever accepted, ended, failed) as a look at every task finds them."""
    by_status: Counter[str] = Counter(book.count_by_status(session))
    return by_status.total(), by_status.total() - by_status["queued"] - by_status["running"], by_status["failed"]


def roll_up_all(database: Database) -> None:
    for _ in range(3):
        while database.write(tallies.roll_up):
            pass


def read(farm: Farm) -> tallies.Counts:
    return {key: round(value, 6) for key, value in farm.database.read(tallies.read_tallies).counts.items()}


def test_every_move_is_counted_once_and_as_what_it_was(farm: Farm) -> None:
    live_through_everything(farm)
    counts = read(farm)
    assert total(counts, "accepted") == 9
    assert {labels: value for (name, labels), value in counts.items() if name == "ended"} == {
        (ONE_STEP, "succeeded", ""): 4,
        (ONE_STEP, "failed", "content_refused"): 1,
        (ONE_STEP, "failed", "poison"): 1,
        (TWO_STEPS, "succeeded", ""): 1,
        (TWO_STEPS, "canceled", ""): 1,
        (TWO_STEPS, "failed", "deadline"): 1,
    }
    assert {labels: value for (name, labels), value in counts.items() if name == "repairs"} == {
        ("S7",): 1,
        ("S8",): 1,
        ("S10",): 1,
    }
    assert (total(counts, "revived"), total(counts, "crashes")) == (1, 3)
    assert counts["retries", ("comfyui", "transient")] == 1
    assert total(counts, "wait_seconds_bucket") == 7  # two never started
    assert total(counts, "task_seconds_bucket") == 5
    assert total(counts, "step_seconds_bucket", TWO_STEPS, "1") == 1
    assert counts["calls", ("comfyui", "", "succeeded")] == 7


def test_the_figures_are_exact_at_every_moment_and_wherever_the_events_are_cut(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_through_everything(farm)
    whole = read(farm)
    monkeypatch.setattr(tallies, "BATCH", 7)
    rounds = 0
    while farm.database.read(tallies.read_tallies).behind:
        farm.database.write(tallies.roll_up)
        assert read(farm) == whole
        totals = farm.database.read(stats.read_totals)
        assert (totals.submitted, totals.ended, totals.failed) == farm.database.read(count_by_looking)
        rounds += 1
        assert rounds < 40
    assert rounds >= 5
    farm.database.write(lambda session: session.query(Event).delete())  # as retention may, once they are counted
    assert read(farm) == whole
    accept(farm, 1, order_id="after-retention")
    assert total(read(farm), "accepted") == 10


def test_a_failed_task_that_is_tried_again_has_not_ended(farm: Farm) -> None:
    accept(farm, 2)
    fail(farm, claimed := must_claim(farm))

    def figures() -> tuple[int, int, int]:
        answer = read_stats(farm.database, farm.redis, farm.settings)
        return answer["total_submitted"], answer["total_processed"], answer["total_failed"]

    assert figures() == (2, 1, 1)
    farm.database.write(repairs.revive_task, claimed.held.task_id, actor="admin", deadline_s=60)
    assert figures() == (2, 0, 0)
    roll_up_all(farm.database)
    assert figures() == (2, 0, 0)
    finish(farm, must_claim(farm))
    assert figures() == (2, 1, 0)
    queue = read_queue(farm.database, farm.redis, farm.settings, farm.providers)
    assert (queue["queued"], queue["running"]) == (1, 0)


def test_two_reconcilers_count_nothing_twice(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    live_through_everything(farm)
    whole = read(farm)
    monkeypatch.setattr(tallies, "BATCH", 3)
    others = [Farm(farm.settings) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda other: [other.database.write(tallies.roll_up) for _ in range(12)], others))
    for other in others:
        other.close()
    roll_up_all(farm.database)
    stored = farm.database.read(lambda session: session.scalar(select(func.count()).select_from(Tally)))
    assert stored and read(farm) == whole
    assert farm.database.read(tallies.read_tallies).behind == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has one writer at a time
def test_an_event_that_is_committed_late_is_counted_all_the_same(farm: Farm) -> None:
    """PostgreSQL gives ids before the commit: a slow transaction's event appears below others that are counted."""
    accept(farm, 2)
    first = must_claim(farm)
    roll_up_all(farm.database)
    holds, may_commit = threading.Event(), threading.Event()

    def slow(session: Session) -> None:
        raise_version(session, first.held.order_id)
        record(session, seconds_ago(0), "S9", order_id=first.held.order_id, task_id=first.held.task_id, actor="admin")
        session.flush()
        holds.set()
        assert may_commit.wait(30)

    with ThreadPoolExecutor(1) as threads:
        other = Farm(farm.settings)
        running = threads.submit(other.database.write, slow)
        assert holds.wait(30)
        accept(farm, 1, order_id="later")  # its events have higher ids and are there at once
        roll_up_all(farm.database)
        position = farm.database.read(lambda session: session.get_one(TallyPosition, 1))
        before = total(read(farm), "revived")
        may_commit.set()
        running.result()
        other.close()
    late = farm.database.read(lambda session: session.scalar(select(Event.id).where(Event.move == "S9")))
    assert late is not None and position.event_id < late
    roll_up_all(farm.database)
    assert (before, total(read(farm), "revived"), total(read(farm), "accepted")) == (0, 1, 3)
    assert farm.database.read(tallies.read_tallies).behind == 0


def test_counting_goes_on_after_a_restore_into_another_server(farm: Farm) -> None:
    accept(farm, 1)
    roll_up_all(farm.database)
    change(farm, TallyPosition, 1, noted_transaction=2**40, noted_event_id=0)
    accept(farm, 1, order_id="after")
    roll_up_all(farm.database)
    assert farm.database.read(tallies.read_tallies).behind == 0
    assert total(read(farm), "accepted") == 2


def test_calls_that_are_closed_outside_of_moves_and_costs_are_counted(farm: Farm) -> None:
    accept(farm, 2)
    lost = must_claim(farm)
    builders.send(farm, lost)
    call = farm.database.write(calls.replace_call, lost.held.step_id, lost.held.attempt, lost.call, outcome="lost")
    picture = builders.picture_row(farm)
    farm.database.write(moves.finish_step, lost.held, call.id, [picture], 0.25)
    must_claim(farm)
    farm.interventions.cancel_order("order-1", actor="booth:b")
    outcomes = {labels[2]: value for (name, labels), value in read(farm).items() if name == "calls"}
    assert outcomes == {"lost": 1, "succeeded": 1, "unsent": 1}
    assert total(read(farm), "cost") == 0.25


def test_while_an_upgrade_is_being_counted_the_totals_come_from_the_tasks(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_through_everything(farm)
    monkeypatch.setattr(tallies, "TAIL_LIMIT", 5)
    totals = farm.database.read(stats.read_totals)
    assert (totals.submitted, totals.ended, totals.failed) == farm.database.read(count_by_looking)
    farm.reconciler().roll_up()
    farm.reconciler().roll_up()
    assert farm.database.read(tallies.read_tallies).behind == 0
