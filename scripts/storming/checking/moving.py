"""The verdict on moves: the recorded history played through the states that the invariants allow. Pure.

The table is this checker's own: judging the farm by its own table would find nothing that is wrong in that table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from scripts.storming.checking.evidence import Evidence, Finding
from scripts.storming.checking.rows import EventRow, StepRow, TaskRow

OPEN = frozenset({"pending", "queued", "running", "retrying"})
SOURCES = {
    "S2": frozenset({"queued"}),
    "S4": frozenset({"running"}),
    "S5": frozenset({"running"}),
    "S6": frozenset({"running"}),
    "S7": frozenset({"running"}),
    "S8": frozenset({"retrying"}),
    "S9": frozenset({"failed"}),
    "S10": OPEN,
    "S11": OPEN,
    "S12": frozenset({"queued"}),
}
CRASHES_UNTIL_WAIT = 2


@dataclass
class _Life:
    """Where a step is while its history is played."""

    status: str
    attempt: int
    rung: int | None = None
    """Where a change of rung has led; None before the first: at acceptance it may begin on any."""


def find_illegal(evidence: Evidence) -> list[Finding]:
    """I7 and section 2: every move from a state it may leave, each attempt claimed once, and the rows as it led to."""
    histories: dict[int, list[EventRow]] = defaultdict(list)
    for event in evidence.snapshot.events:
        if event.step is not None and event.move in SOURCES:
            histories[event.step].append(event)
    steps: dict[int, list[StepRow]] = defaultdict(list)
    for step in evidence.snapshot.steps:
        steps[step.task].append(step)
    findings = []
    for task in evidence.snapshot.tasks:
        findings += list(_play_task(evidence, sorted(steps[task.id], key=lambda step: step.position), histories))
        findings += list(_find_unfit(task, steps[task.id]))
    return [*findings, *_find_foreign_images(evidence)]


def _play_task(evidence: Evidence, steps: list[StepRow], histories: dict[int, list[EventRow]]) -> Iterator[Finding]:
    """Steps one after the other: the first is queued from the start, the next once the one before has succeeded."""
    is_next = True
    for step in steps:
        life = _Life("queued", 1) if is_next else _Life("pending", 0)
        claimed: set[int | None] = set()
        for event in histories[step.id]:
            if event.move == "S2" and event.attempt in claimed:
                yield evidence.find_step(step.id, f"attempt {event.attempt} was claimed twice")
            if event.move == "S2":
                claimed.add(event.attempt)
            if why := _move(life, event):
                yield evidence.find_step(step.id, why)
        if (life.status, life.attempt) != (step.status, step.attempt):
            sentence = (
                f"its history leads to {life.status}, attempt {life.attempt},"
                f" and its row says {step.status}, attempt {step.attempt}"
            )
            yield evidence.find_step(step.id, sentence)
        if life.rung not in (None, step.rung):
            yield evidence.find_step(
                step.id, f"its history leads to rung {life.rung}, and its row says rung {step.rung}"
            )
        is_next = is_next and life.status == "succeeded"


def _move(life: _Life, event: EventRow) -> str | None:
    """Take the step on by one move; what was wrong with it."""
    before, attempt, rung = life.status, life.attempt, life.rung or 0
    if event.move == "S7" and event.detail.get("kind") != "poison":
        waits = event.detail.get("crashed") and event.detail.get("crashes", 0) >= CRASHES_UNTIL_WAIT
        life.status, life.attempt = "retrying" if waits else "queued", attempt + 1
    elif event.move in ("S5", "S9", "S12"):
        life.status, life.attempt = "retrying" if event.move == "S5" else "queued", attempt + 1
        if event.move in ("S5", "S12"):
            life.rung = event.detail.get("rung", life.rung)
    else:
        ends = {"S2": "running", "S4": "succeeded", "S8": "queued", "S11": "canceled"}
        life.status = ends.get(event.move, "failed")
    if before not in SOURCES[event.move]:
        return f"{event.move} of attempt {event.attempt} found it {before}"
    allowed = {attempt, attempt + 1} if event.move == "S9" else {attempt}
    if event.attempt not in allowed:
        return f"{event.move} was made by attempt {event.attempt}, and attempt {attempt} was its own"
    return _climb(event, rung)


def _climb(event: EventRow, before: int) -> str | None:
    """What is wrong with a change of rung: it leads down the ladder, and S12 is one in any case."""
    after = event.detail.get("rung")
    if event.move == "S12" and after is None:
        return f"S12 of attempt {event.attempt} names no rung"
    if after is not None and after <= before:
        return f"{event.move} of attempt {event.attempt} led from rung {before} to rung {after}"
    return None


def _find_unfit(task: TaskRow, steps: list[StepRow]) -> Iterator[Finding]:
    """A task whose status does not follow from its steps'."""
    statuses = {step.status for step in steps}
    wrong = {
        "succeeded": statuses != {"succeeded"},
        "failed": "failed" not in statuses or bool(statuses & (OPEN - {"pending"})),
        "canceled": bool(statuses & OPEN) or "canceled" not in statuses,
        "queued": not statuses <= {"queued", "pending"},
        "running": not statuses & OPEN,
    }
    if wrong.get(task.status, True):
        yield Finding(f"{task.status}, and its steps are {sorted(statuses)}", task.task_id, task.order_id)


def _find_foreign_images(evidence: Evidence) -> Iterator[Finding]:
    """Pictures of another attempt than the one that succeeded."""
    succeeded = {event.step: event.attempt for event in evidence.snapshot.events if event.move == "S4"}
    for image in evidence.snapshot.images:
        if succeeded.get(image.step) != image.attempt:
            made = succeeded.get(image.step, "none")
            sentence = f"a picture of attempt {image.attempt} shows, and the one that succeeded is {made}"
            yield evidence.find_step(image.step, sentence)
