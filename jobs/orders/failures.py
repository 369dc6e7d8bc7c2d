"""What failed, by cause: a cause is a kind and the sentence that an attendant reads. Deleted orders are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from jobs.access import audit
from jobs.access.models import Booth
from jobs.errors import Conflict
from jobs.orders import repairs
from jobs.orders.models import Order, Task

EXAMPLES = 6
MOST_AT_ONCE = 1_000
"""Tasks that one press tries again; whoever has more presses again."""


@dataclass(frozen=True)
class Failures:
    """All failures of one cause that came between two moments."""

    kind: str
    reason: str
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Example:
    """A failed task by what people call it."""

    task_id: str
    order_id: str
    code: str


@dataclass(frozen=True)
class Cause:
    """What a list of causes says of one."""

    kind: str
    reason: str
    count: int
    first_at: datetime
    last_at: datetime
    booths: tuple[str, ...]
    styles: tuple[str, ...]
    examples: tuple[Example, ...]
    """The newest few."""


def list_causes(session: Session, since: datetime, until: datetime) -> list[Cause]:
    """The causes of what failed between two moments and has not been tried again, the commonest first."""
    rows = session.execute(
        select(
            Task.kind,
            Task.reason,
            Task.style,
            Booth.name.label("booth"),
            func.count().label("tasks"),
            func.min(Task.finished_at).label("first_at"),
            func.max(Task.finished_at).label("last_at"),
        )
        .join(Order, Order.id == Task.order_id)
        .join(Booth, Booth.id == Order.booth_id)
        .where(*_have_failed(since, until))
        .group_by(Task.kind, Task.reason, Task.style, Booth.name)
    ).all()
    causes = []
    for kind, reason in dict.fromkeys((row.kind, row.reason) for row in rows):
        own = [row for row in rows if (row.kind, row.reason) == (kind, reason)]
        failures = Failures(kind or "", reason or "", since, until)
        causes.append(
            Cause(
                failures.kind,
                failures.reason,
                sum(row.tasks for row in own),
                min(row.first_at for row in own),
                max(row.last_at for row in own),
                tuple(sorted({row.booth for row in own})),
                tuple(sorted({row.style for row in own})),
                _list_examples(session, failures),
            )
        )
    return sorted(causes, key=lambda cause: (-cause.count, cause.kind))


def list_failed(session: Session, failures: Failures) -> list[int]:
    """Row ids of the failed tasks of one cause, in the order of admission, as many as one press tries again."""
    query = select(Task.id).join(Order, Order.id == Task.order_id).where(*_are_of(failures))
    return list(session.scalars(query.order_by(Task.id).limit(MOST_AT_ONCE)))


def revive_failed(session: Session, task_ids: Sequence[int], *, actor: str, deadline_s: float) -> int:
    """Try these tasks again, each with its audit; returns how many. What has moved on meanwhile is left alone."""
    failed = select(Task.id, Task.task_id).join(Order, Order.id == Task.order_id)
    failed = failed.where(Task.id.in_(task_ids), Task.status == "failed", Order.deleted_at.is_(None))
    revived = 0
    for row_id, task_id in session.execute(failed.order_by(Task.order_id, Task.id)).all():
        try:
            repairs.revive_task(session, row_id, actor=actor, deadline_s=deadline_s)
        except Conflict:  # somebody else was quicker by a moment
            continue
        audit.note(session, actor, "retry", f"task:{task_id}")
        revived += 1
    return revived


def _list_examples(session: Session, failures: Failures) -> tuple[Example, ...]:
    query = select(Task.task_id, Order.order_id, Order.code).join(Order, Order.id == Task.order_id)
    newest = query.where(*_are_of(failures)).order_by(Task.finished_at.desc()).limit(EXAMPLES)
    return tuple(Example(task_id, order_id, code) for task_id, order_id, code in session.execute(newest))


def _have_failed(since: datetime, until: datetime) -> tuple[ColumnElement[bool], ...]:
    return Task.status == "failed", Task.finished_at >= since, Task.finished_at <= until, Order.deleted_at.is_(None)


def _are_of(failures: Failures) -> tuple[ColumnElement[bool], ...]:
    kind, reason = func.coalesce(Task.kind, ""), func.coalesce(Task.reason, "")
    return *_have_failed(failures.since, failures.until), kind == failures.kind, reason == failures.reason
