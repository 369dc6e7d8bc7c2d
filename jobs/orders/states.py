"""The states of tasks and steps, the only allowed moves between them, and what an order's status follows from. Pure.

A step:  pending -S1-> queued -S2-> running -S4-> succeeded
                         ^             |-S5-> retrying -S8-> queued
                         |             |-S6-> failed -S9-> queued (an operator, a repeated submission)
                         +-----S7------+
         any open state -S10-> failed (deadline), -S11-> canceled
S3 is the beat: running -> running. S12 takes a waiting step to another rung of its ladder: queued -> queued; S5 does so
with a step whose attempt ended, instead of S6.
A task:  queued -> running -> succeeded | failed | canceled; S9: failed -> running.
"""

from __future__ import annotations

from collections.abc import Iterable

from jobs.errors import InvalidTransition

OPEN_STEP = frozenset({"pending", "queued", "running", "retrying"})
OPEN_TASK = frozenset({"queued", "running"})
ENDED_TASK = frozenset({"succeeded", "failed", "canceled"})

STEP_MOVES: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "S1": (frozenset({"pending"}), frozenset({"queued"})),
    "S2": (frozenset({"queued"}), frozenset({"running"})),
    "S3": (frozenset({"running"}), frozenset({"running"})),
    "S4": (frozenset({"running"}), frozenset({"succeeded"})),
    "S5": (frozenset({"running"}), frozenset({"retrying"})),
    "S6": (frozenset({"running"}), frozenset({"failed"})),
    "S7": (frozenset({"running"}), frozenset({"queued", "retrying", "failed"})),
    "S8": (frozenset({"retrying"}), frozenset({"queued"})),
    "S9": (frozenset({"failed"}), frozenset({"queued"})),
    "S10": (OPEN_STEP, frozenset({"failed"})),
    "S11": (OPEN_STEP, frozenset({"canceled"})),
    "S12": (frozenset({"queued"}), frozenset({"queued"})),
}

TASK_MOVES: dict[str, frozenset[str]] = {
    "queued": frozenset({"running", "failed", "canceled"}),
    "running": frozenset({"succeeded", "failed", "canceled"}),
    "failed": frozenset({"running"}),
    "succeeded": frozenset(),
    "canceled": frozenset(),
}


def check_step_move(move: str, before: str, after: str) -> None:
    """Raise InvalidTransition unless `move` may take a step from `before` to `after`."""
    sources, targets = STEP_MOVES[move]
    if before not in sources or after not in targets:
        raise InvalidTransition(f"{move} cannot take a step from {before} to {after}")


def check_task_move(before: str, after: str) -> None:
    """Raise InvalidTransition unless a task may go from `before` to `after`."""
    if after not in TASK_MOVES[before]:
        raise InvalidTransition(f"a task cannot go from {before} to {after}")


def derive_order_status(statuses: Iterable[str]) -> str:
    """The order's status from its tasks' statuses."""
    present = set(statuses)
    if not present - {"queued", "canceled"} and present != {"canceled"}:
        return "queued"
    if present & OPEN_TASK:
        return "running"
    if present == {"succeeded"}:
        return "succeeded"
    if "succeeded" in present:
        return "partial"
    return "canceled" if present == {"canceled"} else "failed"
