"""What the database of a storm holds at its end, as plain values; moments are seconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TaskRow:
    """One photo of an order in one style. `order_id` is the booth's own."""

    id: int
    task_id: str
    order_id: str
    photo_sha256: str
    style: str
    status: str
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    kind: str | None = None
    photo_path: str | None = None


@dataclass(frozen=True)
class StepRow:
    """One piece of a task's work; `task` is the task's row id."""

    id: int
    task: int
    position: int
    resource: str
    status: str
    attempt: int
    rung: int = 0


@dataclass(frozen=True)
class CallRow:
    """One submission to the outside, as the farm wrote it down; `step` is the step's row id."""

    id: int
    step: int
    call_no: int
    attempt: int
    resource: str
    provider: str | None
    server: str | None
    external_id: str
    remote_id: str | None
    state: str
    outcome: str | None
    opened_at: float
    sent_at: float | None
    closed_at: float | None


@dataclass(frozen=True)
class ImageRow:
    """A picture that a step made."""

    task: int
    step: int
    attempt: int
    final: bool
    path: str
    bytes: int


@dataclass(frozen=True)
class EventRow:
    """One line of the history that the moves wrote."""

    id: int
    at: float
    task: int | None
    step: int | None
    attempt: int | None
    move: str
    actor: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """All of it, each in the order of its ids. `named`: every path that a row names -> its size, if the row tells."""

    tasks: tuple[TaskRow, ...] = ()
    steps: tuple[StepRow, ...] = ()
    calls: tuple[CallRow, ...] = ()
    images: tuple[ImageRow, ...] = ()
    events: tuple[EventRow, ...] = ()
    named: dict[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredFile:
    """A file in the storage: its size, and for how many seconds nobody had touched it at the end."""

    bytes: int
    age: float
