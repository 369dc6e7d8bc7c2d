"""The table of moves allows what invariants section 2 names and nothing else; an order's status follows its tasks."""

from __future__ import annotations

import itertools

import pytest

from jobs.errors import InvalidTransition
from jobs.orders.states import STEP_MOVES, TASK_MOVES, check_step_move, check_task_move, derive_order_status

STATES = ("pending", "queued", "running", "retrying", "succeeded", "failed", "canceled")
OPEN = ("pending", "queued", "running", "retrying")
ALLOWED = {
    ("S1", "pending", "queued"),
    ("S2", "queued", "running"),
    ("S3", "running", "running"),
    ("S4", "running", "succeeded"),
    ("S5", "running", "retrying"),
    ("S6", "running", "failed"),
    ("S7", "running", "queued"),
    ("S7", "running", "retrying"),
    ("S7", "running", "failed"),
    ("S8", "retrying", "queued"),
    ("S9", "failed", "queued"),
    *(("S10", before, "failed") for before in OPEN),
    *(("S11", before, "canceled") for before in OPEN),
    ("S12", "queued", "queued"),
}


def test_steps_make_just_the_moves_of_the_invariants() -> None:
    assert set(STEP_MOVES) == {move for move, _, _ in ALLOWED}
    for move, before, after in itertools.product(STEP_MOVES, STATES, STATES):
        if (move, before, after) in ALLOWED:
            check_step_move(move, before, after)
        else:
            with pytest.raises(InvalidTransition):
                check_step_move(move, before, after)


def test_tasks_end_once_and_only_a_failed_one_comes_back() -> None:
    allowed = {(before, after) for before, targets in TASK_MOVES.items() for after in targets}
    ends = {"succeeded", "failed", "canceled"}
    assert allowed == {
        ("queued", "running"),
        ("queued", "failed"),
        ("queued", "canceled"),
        *(("running", end) for end in ends),
        ("failed", "running"),
    }
    with pytest.raises(InvalidTransition):
        check_task_move("succeeded", "running")


@pytest.mark.parametrize(
    ("tasks", "order"),
    [
        (["queued"], "queued"),
        (["queued", "queued"], "queued"),
        (["queued", "canceled"], "queued"),
        (["queued", "running"], "running"),
        (["queued", "succeeded"], "running"),
        (["queued", "failed"], "running"),
        (["running"], "running"),
        (["running", "succeeded", "failed", "canceled"], "running"),
        (["succeeded", "succeeded"], "succeeded"),
        (["succeeded", "failed"], "partial"),
        (["succeeded", "canceled"], "partial"),
        (["failed"], "failed"),
        (["failed", "canceled"], "failed"),
        (["canceled", "canceled"], "canceled"),
    ],
)
def test_an_orders_status_follows_from_its_tasks(tasks: list[str], order: str) -> None:
    assert derive_order_status(tasks) == order
    assert derive_order_status(reversed(tasks)) == order
