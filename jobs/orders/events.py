"""Writing the history, one line for each move in the move's own transaction; dropping what is counted and old."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, aliased

from jobs.database import outbox_of
from jobs.orders.models import Event, Order, TallyPosition

FEW = 100
"""Events at which one transaction looks."""


def record(
    session: Session,
    at: datetime,
    move: str,
    *,
    order_id: int,
    actor: str,
    task_id: int | None = None,
    step_id: int | None = None,
    attempt: int | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Add one line to an order's history. `detail` holds ids, numbers and our own words, nothing a guest wrote."""
    session.add(
        Event(
            at=at,
            order_id=order_id,
            task_id=task_id,
            step_id=step_id,
            attempt=attempt,
            move=move,
            actor=actor,
            detail=detail or {},
        )
    )


def raise_version(session: Session, order_id: int) -> None:
    """Raise the order's version and have its followers woken. Comes first in a move: it locks the order's row."""
    session.execute(update(Order).where(Order.id == order_id).values(version=Order.version + 1))
    outbox_of(session).changed.add(order_id)


def drop_counted(session: Session, before: datetime) -> int:
    """Drop events of a few erased orders from before that moment, the oldest first; how many went.

    Only whole orders whose events are all in the tallies: an event's meaning may hang on a later one of its order.
    """
    counted = session.scalar(select(TallyPosition.event_id)) or 0
    oldest = select(Event.order_id).where(Event.id <= counted).order_by(Event.id).limit(FEW).subquery()
    uncounted = aliased(Event)
    orders = session.scalars(
        select(Order.id).where(
            Order.id.in_(select(oldest.c.order_id)),
            Order.deleted_at.is_not(None),
            Order.created_at < before,
            ~select(uncounted.id).where(uncounted.order_id == Order.id, uncounted.id > counted).exists(),
        )
    ).all()
    if not orders:
        return 0
    return int(session.execute(delete(Event).where(Event.order_id.in_(orders))).rowcount)  # type: ignore[attr-defined]
