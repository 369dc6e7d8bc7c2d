"""S1 to S6, the moves that a worker makes: each changes what it says, and with a wrong attempt nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from jobs.engine.claims import Claim
from jobs.errors import ClaimLost
from jobs.farm import Farm
from jobs.orders import calls, moves
from jobs.orders.models import Order
from tests import builders
from tests.builders import (
    accept,
    fail,
    finish,
    get_step,
    get_task,
    list_calls,
    must_claim,
    read_everything,
    retry,
    send,
)


def test_an_accepted_task_has_its_first_step_queued_and_the_others_pending(farm: Farm) -> None:
    (task_id,) = accept(farm, style=builders.TWO_STEPS)
    first, second = builders.list_steps(farm)
    assert (first.status, first.attempt, second.status, second.attempt) == ("queued", 1, "pending", 0)
    assert get_task(farm, task_id).status == "queued"


def test_a_claim_takes_step_and_task_and_opens_a_call(farm: Farm) -> None:
    (task_id,) = accept(farm)
    claimed = must_claim(farm, "worker-7")
    step, (call,) = get_step(farm, claimed.held.step_id), list_calls(farm)
    assert (step.status, step.worker, step.attempt, step.claims) == ("running", "worker-7", 1, 1)
    assert step.claimed_at is not None and step.claim_until is not None
    assert (step.claim_until - step.claimed_at).total_seconds() == pytest.approx(30)
    assert (call.state, call.server, call.sent_at, call.attempt) == ("open", builders.SERVER, None, 1)
    assert get_task(farm, task_id).status == "running"
    assert not claimed.adopted


def test_a_beat_moves_the_end_of_the_claim(farm: Farm) -> None:
    accept(farm)
    claimed = must_claim(farm)
    before = get_step(farm, claimed.held.step_id).claim_until
    farm.database.write(moves.beat, claimed.held, 300)
    after = get_step(farm, claimed.held.step_id).claim_until
    assert before is not None and after is not None
    assert (after - before).total_seconds() > 250


def test_the_last_step_ends_the_task_and_shows_its_pictures(farm: Farm) -> None:
    (task_id,) = accept(farm)
    claimed = must_claim(farm)
    send(farm, claimed)
    assert finish(farm, claimed, images=2)
    (call,), pictures = list_calls(farm), builders.list_images(farm)
    assert (call.state, call.outcome) == ("closed", "succeeded")
    assert [(image.final, image.attempt) for image in pictures] == [(True, 1), (True, 1)]
    task, step = get_task(farm, task_id), get_step(farm, claimed.held.step_id)
    assert (task.status, task.kind, step.status, step.claim_until) == ("succeeded", None, "succeeded", None)
    assert task.finished_at is not None


def test_a_step_that_succeeds_queues_the_next_one_and_keeps_its_pictures_back(farm: Farm) -> None:
    (task_id,) = accept(farm, style=builders.TWO_STEPS)
    assert not finish(farm, must_claim(farm))
    first, second = builders.list_steps(farm)
    assert (first.status, second.status, second.attempt) == ("succeeded", "queued", 1)
    assert [image.final for image in builders.list_images(farm)] == [False]
    assert get_task(farm, task_id).status == "running"
    assert must_claim(farm).held.step_id == second.id


def test_a_retried_step_waits_with_a_new_attempt_and_a_closed_call(farm: Farm) -> None:
    accept(farm)
    claimed = must_claim(farm)
    retry(farm, claimed, wait_s=20)
    step, (call,) = get_step(farm, claimed.held.step_id), list_calls(farm)
    assert (step.status, step.attempt, step.failures, step.claims) == ("retrying", 2, 1, 0)
    assert (step.worker, step.claim_until, step.kind) == (None, None, "transient")
    assert step.not_before is not None and step.not_before > builders.seconds_ago(0)
    assert (call.state, call.outcome) == ("closed", "failed")
    assert builders.claim(farm) is None


@pytest.mark.parametrize(("outcome", "state"), [("failed", "closed"), (None, "closing")])
def test_a_failed_step_fails_its_task_and_stops_what_may_go_on(farm: Farm, outcome: str | None, state: str) -> None:
    (task_id,) = accept(farm)
    claimed = must_claim(farm)
    send(farm, claimed)
    fail(farm, claimed, kind="bad_answer", outcome=outcome)
    task, step, (call,) = get_task(farm, task_id), get_step(farm, claimed.held.step_id), list_calls(farm)
    assert (task.status, task.kind, step.status, step.kind) == ("failed", "bad_answer", "failed", "bad_answer")
    assert task.reason
    assert (call.state, call.outcome) == (state, outcome)


WORKERS_MOVES: dict[str, Callable[[Farm, Claim], object]] = {
    "S3": lambda farm, claimed: farm.database.write(moves.beat, claimed.held, 30),
    "S4": lambda farm, claimed: finish(farm, claimed),
    "S5": lambda farm, claimed: retry(farm, claimed),
    "S6": lambda farm, claimed: fail(farm, claimed),
    "sent": lambda farm, claimed: send(farm, claimed),
    "lost": lambda farm, claimed: farm.database.write(
        calls.replace_call, claimed.held.step_id, claimed.held.attempt, claimed.call, outcome="lost"
    ),
}


@pytest.mark.parametrize("move", WORKERS_MOVES)
def test_a_move_with_another_attempts_number_changes_no_row(farm: Farm, move: str) -> None:
    accept(farm)
    claimed = must_claim(farm)
    before = read_everything(farm)
    for attempt in (0, 2):
        stale = replace(claimed, held=replace(claimed.held, attempt=attempt))
        with pytest.raises(ClaimLost):
            WORKERS_MOVES[move](farm, stale)
    assert read_everything(farm) == before


@pytest.mark.parametrize("move", WORKERS_MOVES)
def test_a_worker_whose_step_was_taken_on_by_another_changes_no_row(farm: Farm, move: str) -> None:
    accept(farm)
    stale = must_claim(farm, "worker-1")
    builders.change(farm, builders.Step, stale.held.step_id, status="queued", attempt=2, worker=None)
    fresh = must_claim(farm, "worker-2")
    assert fresh.adopted
    before = read_everything(farm)
    with pytest.raises(ClaimLost):
        WORKERS_MOVES[move](farm, stale)
    assert read_everything(farm) == before


def test_the_right_to_send_a_call_is_given_once(farm: Farm) -> None:
    accept(farm)
    claimed = must_claim(farm)
    send(farm, claimed)
    before = read_everything(farm)
    with pytest.raises(ClaimLost):
        send(farm, claimed)
    assert read_everything(farm) == before


def test_a_lost_call_gets_a_successor_at_the_same_server_under_a_new_id(farm: Farm) -> None:
    accept(farm)
    claimed = must_claim(farm)
    send(farm, claimed)
    successor = farm.database.write(
        calls.replace_call, claimed.held.step_id, claimed.held.attempt, claimed.call, outcome="lost"
    )
    first, second = list_calls(farm)
    assert (first.state, first.outcome, second.state, second.call_no) == ("closed", "lost", "open", 2)
    assert second.server == first.server and second.external_id != first.external_id
    assert successor.id == second.id and successor.sent_at is None


def test_every_move_leaves_a_line_of_history_and_raises_the_orders_version(farm: Farm) -> None:
    (task_id,) = accept(farm)
    claimed = must_claim(farm)
    finish(farm, claimed)
    assert builders.list_moves(farm) == ["accepted", "accepted", "S2", "S4"]
    order = farm.database.read(lambda session: session.get_one(Order, get_task(farm, task_id).order_id))
    assert order.version == 3
