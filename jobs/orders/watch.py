"""What the board asks of orders: who is waiting for what, where each booth stands, what failed lately.

A handful of statements whatever the farm's size: open tasks are as many as the queue allows, and nothing here looks at
what has ended except by its index.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ScalarSelect, and_, func, select
from sqlalchemy.orm import Session

from jobs.access.models import AuditEntry, Booth
from jobs.orders.models import Call, Order, Step, TallyPosition, Task
from jobs.orders.states import OPEN_TASK

MOST = 2_000
"""Rows of one answer; a queue that is longer is told by its first ones."""
MOST_FAILED = 500
CURRENT = ("queued", "retrying", "running")
"""Statuses of the one step that an open task is at: those before it have ended, those behind it are pending."""


@dataclass(frozen=True)
class OpenStep:
    """The step that an open task is at. `server`: where its open call is; `place`: its server, provider or neither."""

    task: int
    order: int
    booth: str
    style: str
    task_status: str
    accepted_at: datetime
    status: str
    resource: str
    provider: str | None
    server: str | None
    position: int
    rung: int
    timeout_s: float
    queued_at: datetime | None
    not_before: datetime | None
    claimed_at: datetime | None
    claim_until: datetime | None


def list_open(session: Session) -> list[OpenStep]:
    """Every open task with its step, the oldest first."""
    rows: Any = session.execute(
        select(
            Task.id,
            Task.order_id,
            Booth.name,
            Task.style,
            Task.status,
            Task.created_at,
            Step.status,
            Step.resource,
            Step.provider,
            Call.server,
            Step.position,
            Step.rung,
            Step.timeout_s,
            Step.queued_at,
            Step.not_before,
            Step.claimed_at,
            Step.claim_until,
        )
        .join(Order, Order.id == Task.order_id)
        .join(Booth, Booth.id == Order.booth_id)
        .join(Step, and_(Step.task_id == Task.id, Step.status.in_(CURRENT)))
        .outerjoin(Call, and_(Call.step_id == Step.id, Call.state == "open"))
        .where(Task.status.in_(OPEN_TASK))
        .order_by(Task.id)
        .limit(MOST)
    )
    return [OpenStep(*columns) for columns in rows]


@dataclass(frozen=True)
class BoothSeen:
    """A booth that may send orders: when it was last heard of, and when its last order came."""

    name: str
    seen_at: datetime | None
    last_order_at: datetime | None

    @property
    def last_at(self) -> datetime | None:
        """The later of both."""
        return max((at for at in (self.seen_at, self.last_order_at) if at is not None), default=None)


def newest_order_at() -> ScalarSelect[datetime]:
    """For each booth of a query, when its last order came."""
    newest = select(Order.created_at).where(Order.booth_id == Booth.id).order_by(Order.id.desc()).limit(1)
    return newest.correlate(Booth).scalar_subquery()


def list_booths(session: Session) -> list[BoothSeen]:
    """Booths with a key, by name."""
    rows = session.execute(
        select(Booth.name, Booth.seen_at, newest_order_at()).where(Booth.key_sha256.is_not(None)).order_by(Booth.name)
    )
    return [BoothSeen(*row) for row in rows]


@dataclass(frozen=True)
class FailedTask:
    """A task that failed and was not tried again."""

    kind: str
    style: str
    booth: str
    order: int
    finished_at: datetime


def list_failed(session: Session, since: datetime) -> list[FailedTask]:
    """Those that failed since then and stand so, the newest first; without those whose order was deleted."""
    rows: Any = session.execute(
        select(Task.kind, Task.style, Booth.name, Task.order_id, Task.finished_at)
        .join(Order, Order.id == Task.order_id)
        .join(Booth, Booth.id == Order.booth_id)
        .where(Task.status == "failed", Task.finished_at >= since, Order.deleted_at.is_(None))
        .order_by(Task.finished_at.desc())
        .limit(MOST_FAILED)
    )
    return [FailedTask(kind or "", *rest) for kind, *rest in rows]


def seconds_since_counted(session: Session, now: datetime) -> float | None:
    """How long ago the reconciler last counted, which it does every few seconds; None: it never did."""
    at = session.scalar(select(TallyPosition.rolled_at))
    return max((now - at).total_seconds(), 0.0) if at else None


def name_last_actors(session: Session, subjects: Iterable[str]) -> dict[str, str]:
    """Subject of the audit -> who did something to it last; those of which nobody did anything are left out."""
    last = select(func.max(AuditEntry.id)).where(AuditEntry.subject.in_(set(subjects))).group_by(AuditEntry.subject)
    rows: Any = session.execute(select(AuditEntry.subject, AuditEntry.actor).where(AuditEntry.id.in_(last)))
    return {subject: actor for subject, actor in rows}
