"""What is owed: writing debts down, finding those that are due, noting what a look has done, counting them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from jobs.database import now_of
from jobs.erasure.models import Erasure
from jobs.orders.models import Call, Order, Step, Task

STORAGE, PROGRESS, COMFYUI = "storage", "progress", "comfyui"
OURS = (STORAGE, PROGRESS)
FEW = 50
LONGEST_WAIT_S = 30.0
"""Between two looks at what cannot be done yet; the first ones follow sooner."""


@dataclass(frozen=True)
class Owed:
    """One debt, as a value that outlives its session. `is_settled`: nothing can come back after this look."""

    id: int
    order_id: int
    place: str
    names: tuple[str, ...]
    is_settled: bool


@dataclass(frozen=True)
class Looked:
    """What a look at a debt has found. `why`: what kept it from being done; None where everything is gone."""

    id: int
    why: str | None


@dataclass(frozen=True)
class Debt:
    """How much is owed at one kind of place, and for how long the oldest has been overdue, in seconds."""

    place: str
    count: int
    oldest_s: float


def list_due(
    session: Session, places: Iterable[str], *, order_id: int | None = None, server: str | None = None
) -> list[Owed]:
    """The next few debts to look at, those that wait longest first. `order_id`: of this order only, due or not."""
    now = now_of(session)
    query = select(Erasure).where(Erasure.done_at.is_(None), Erasure.place.in_(tuple(places)))
    query = query.where(Erasure.again_at <= now) if order_id is None else query.where(Erasure.order_id == order_id)
    if server is not None:
        query = query.where(Erasure.server == server)
    rows = session.scalars(query.order_by(Erasure.again_at, Erasure.id).limit(FEW))
    return [Owed(row.id, row.order_id, row.place, tuple(row.names), row.settles_at <= now) for row in rows]


def note_looks(session: Session, looks: list[Looked], settled: frozenset[int]) -> None:
    """Write down what was found. Done is what is gone and was `settled` before the look; others are looked at again."""
    now = now_of(session)
    for row in session.scalars(select(Erasure).where(Erasure.id.in_([look.id for look in looks])).with_for_update()):
        why = next(look.why for look in looks if look.id == row.id)
        if row.done_at is not None:
            continue
        row.looks += 1
        row.why = why
        if why is not None:
            row.again_at = now + timedelta(seconds=min(2.0 ** min(row.looks, 10), LONGEST_WAIT_S))
        elif row.id in settled:
            finish(session, row, now)
        else:
            row.again_at = row.settles_at


def finish(session: Session, row: Erasure, now: datetime) -> None:
    """Nothing is left at this place; the order's receipt says so where it named the place."""
    row.done_at, row.names, row.why = now, [], None
    if row.place != COMFYUI:
        return
    order = session.get_one(Order, row.order_id)
    receipt: dict[str, Any] = order.receipt or {}
    remains = [
        remain | {"gone_at": show_moment(now)} if remain.get("server") == row.server else remain
        for remain in receipt.get("may_remain", [])
    ]
    order.receipt = receipt | {"may_remain": remains}


def end_waits(session: Session, servers: Iterable[str]) -> int:
    """Close what hosts have removed for its age by now and nobody is asked about: all hosts' but those of `servers`."""
    now = now_of(session)
    query = select(Erasure).where(
        Erasure.done_at.is_(None),
        Erasure.place == COMFYUI,
        Erasure.ends_at < now,
        Erasure.server.not_in(tuple(servers)),
    )
    ended = list(session.scalars(query.limit(FEW)))
    for row in ended:
        finish(session, row, now)
    return len(ended)


def drop_old(session: Session, before: datetime) -> int:
    """Remove a few debts that were done before that moment; how many."""
    old = select(Erasure.id).where(Erasure.done_at < before).limit(FEW)
    return int(session.execute(delete(Erasure).where(Erasure.id.in_(old))).rowcount)  # type: ignore[attr-defined]


def has_calls_left(session: Session, order_id: int, server: str) -> bool:
    """Has the order a call at this server whose work may not have ended?"""
    query = (
        select(Call.id)
        .join(Step, Step.id == Call.step_id)
        .join(Task, Task.id == Step.task_id)
        .where(Task.order_id == order_id, Call.server == server, Call.state != "closed")
    )
    return session.scalar(query.limit(1)) is not None


def count_debts(session: Session, now: datetime) -> list[Debt]:
    """What is owed now, by kind of place."""
    rows = session.execute(
        select(Erasure.place, func.count(), func.min(Erasure.since))
        .where(Erasure.done_at.is_(None))
        .group_by(Erasure.place)
        .order_by(Erasure.place)
    )
    return [Debt(place, count, max((now - since).total_seconds(), 0.0)) for place, count, since in rows]


def show_moment(at: datetime) -> str:
    """A moment as receipts name it."""
    return at.isoformat().replace("+00:00", "Z")
