"""What became of tasks in a stretch of time, as plain rows for the figures. Asked by the index on `finished_at`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.orders.models import Task
from jobs.orders.states import OPEN_TASK

MOST_ROWS = 100_000
"""The newest of so many are told; a farm makes fewer in a week."""


@dataclass(frozen=True)
class TaskTimes:
    """A task's outcome and its moments. `finished_at` is None while it is open."""

    status: str
    kind: str | None
    style: str
    accepted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    promised_low_at: datetime | None
    promised_high_at: datetime | None


COLUMNS = (
    Task.status,
    Task.kind,
    Task.style,
    Task.created_at,
    Task.started_at,
    Task.finished_at,
    Task.promised_low_at,
    Task.promised_high_at,
)


def list_ended(session: Session, since: datetime) -> list[TaskTimes]:
    """Tasks that ended since then, the newest first."""
    query = select(*COLUMNS).where(Task.finished_at >= since).order_by(Task.finished_at.desc()).limit(MOST_ROWS)
    rows: Any = session.execute(query)
    return [TaskTimes(*columns) for columns in rows]


def list_waiting(session: Session) -> list[TaskTimes]:
    """Tasks that have not ended."""
    rows: Any = session.execute(select(*COLUMNS).where(Task.status.in_(OPEN_TASK)))
    return [TaskTimes(*columns) for columns in rows]
