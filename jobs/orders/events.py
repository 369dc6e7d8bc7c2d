"""Writing the history: one line for each move, in the move's own transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from jobs.database import outbox_of
from jobs.orders.models import Event, Order


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
