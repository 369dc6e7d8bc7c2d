"""The merged time line of one task: booths, stand-ins, nemesis and the farm's own history, in order. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scripts.simulators.journal import Row
from scripts.storming.checking.evidence import Evidence, Finding
from scripts.storming.checking.rows import TaskRow

LEFT_OUT = frozenset({"t", "event", "booth", "order_id", "photo_sha256", "inputs", "boot", "filename_prefix"})
MARGIN_SECONDS = 1.0


@dataclass(frozen=True)
class Line:
    """What happened at a moment, and who says so."""

    t: float
    who: str
    what: str


def tell(evidence: Evidence, finding: Finding) -> list[Line]:
    """Everything that touches the task of a finding, or its whole order when it names no task."""
    tasks = [
        task
        for task in evidence.snapshot.tasks
        if task.task_id == finding.task_id or (finding.task_id is None and task.order_id == finding.order_id)
    ]
    order_ids = {task.order_id for task in tasks} | {finding.order_id}
    own = [line for task in tasks for line in (*_tell_history(evidence, task), *_tell_calls(evidence, task))]
    own += [Line(row["t"], row["booth"], _describe(row)) for row in evidence.booths if row.get("order_id") in order_ids]
    if not own:
        return []
    begin, end = min(line.t for line in own) - MARGIN_SECONDS, max(line.t for line in own) + MARGIN_SECONDS
    return sorted((*own, *_tell_faults(evidence, begin, end)), key=lambda line: line.t)


def _tell_history(evidence: Evidence, task: TaskRow) -> Iterator[Line]:
    for event in evidence.snapshot.events:
        if event.task == task.id:
            step = "" if event.step is None else f" of step {event.step}, attempt {event.attempt}"
            more = "".join(f" {name}={value}" for name, value in event.detail.items() if value not in (None, ""))
            yield Line(event.at, "database", f"{event.move}{step} by {event.actor}{more}")


def _tell_calls(evidence: Evidence, task: TaskRow) -> Iterator[Line]:
    """The farm's records of its calls, and what the stand-ins say of the same ids."""
    calls = [call for call in evidence.snapshot.calls if evidence.steps[call.step].task == task.id]
    seen = {one.row["prompt_id"] for one in evidence.submissions if one.call in calls}
    for call in calls:
        name = f"call {call.call_no} of step {call.step} ({call.external_id[:8]})"
        yield Line(call.opened_at, "database", f"{name} opened at {call.server or call.provider or call.resource}")
        if call.sent_at is not None:
            yield Line(call.sent_at, "database", f"{name} about to be sent")
        if call.closed_at is not None:
            yield Line(call.closed_at, "database", f"{name} closed as {call.outcome}")
    for row in evidence.clouds:
        if row.get("prompt_id") in seen:
            yield Line(row["t"], evidence.provider_at(row), _describe(row))
    for row in evidence.comfyui:
        if row.get("prompt_id") in seen:
            yield Line(row["t"], f"comfyui :{row['port']}", _describe(row))
        elif row["event"] == "boot" and seen & set(row["lost"]):
            yield Line(row["t"], f"comfyui :{row['port']}", "boot, the prompt is lost")


def _tell_faults(evidence: Evidence, begin: float, end: float) -> Iterator[Line]:
    for fault in evidence.faults:
        if fault.overlaps(begin, end):
            seconds = fault.ended - fault.begun
            yield Line(fault.begun, "nemesis", f"{fault.fault}: {fault.target}, for {seconds:.1f} s ({fault.number})")


def _describe(row: Row) -> str:
    shown = {name: value for name, value in row.items() if name not in LEFT_OUT and value not in (None, "", [])}
    return " ".join([row["event"], *(f"{name}={_short(value)}" for name, value in shown.items())])


def _short(value: object) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return ", ".join(f"{one.get('task_id', '')[:8]} {one.get('status', '')}".strip() for one in value)
    return str(value)
