"""Retention: orders older than RETENTION_DAYS are erased as if somebody had deleted them, the oldest first.

Bounded work in short transactions with a breath between them, so that the intake does not notice. Events go once they
are counted, so that the totals stay exact; rows without anything personal stay.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from jobs.database import Database, now_of
from jobs.erasure import owed
from jobs.erasure.orders import Terms, erase_order
from jobs.errors import OrderDeleted, OrderNotFound
from jobs.orders import events
from jobs.orders.models import Image, Order, Photo, Task
from jobs.orders.states import OPEN_TASK

log = logging.getLogger(__name__)

ACTOR = "retention"
ORDERS_AT_ONCE = 200
TRIMS_AT_ONCE = 50
BREATH_SECONDS = 0.02
"""Between two transactions: longer than whoever waits for SQLite's lock looks for it."""


@dataclass(frozen=True)
class Kept:
    """What lies in the storage: orders that are not erased, and the MB of their photos and pictures."""

    orders: int
    megabytes: int
    oldest_at: datetime | None


@dataclass(frozen=True)
class Retention:
    """One of these works at a time; two are harmless."""

    database: Database
    terms: Terms
    days: float

    def keep_limit(self, wait: Callable[[float], bool]) -> bool:
        """Erase some of what is too old and trim what it leaves. Whether there may be more of it at once.

        `wait(seconds)`: True when it is time to stop. Raises DatabaseAway.
        """
        due = self.database.read(list_expired, self.days)
        for order_id in due:
            try:
                self.database.write(erase_order, order_id, self.terms, actor=ACTOR)
            except (OrderDeleted, OrderNotFound):
                continue  # somebody was faster
            log.info("an order was erased for its age", extra={"order_id": order_id})
            if wait(BREATH_SECONDS):
                return False
        for _ in range(TRIMS_AT_ONCE):
            if not self.database.write(trim, self.days) or wait(BREATH_SECONDS):
                break
        return len(due) == ORDERS_AT_ONCE


def list_expired(session: Session, days: float) -> list[str]:
    """The ids of the oldest orders that are kept longer than so many days. One with an open task is left in peace."""
    is_open = select(Task.id).where(Task.order_id == Order.id, Task.status.in_(OPEN_TASK)).exists()
    query = select(Order.order_id).where(_is_kept(), Order.created_at < _horizon(session, days), ~is_open)
    return list(session.scalars(query.order_by(Order.created_at).limit(ORDERS_AT_ONCE)))


def trim(session: Session, days: float) -> int:
    """Drop a few events of orders that are erased and too old, and debts that were paid then; how many rows."""
    horizon = _horizon(session, days)
    return events.drop_counted(session, horizon) + owed.drop_old(session, horizon)


def count_kept(session: Session) -> Kept:
    """What is kept now. Looks at every kept order: asked only when room is short."""
    orders, oldest = session.execute(select(func.count(), func.min(Order.created_at)).where(_is_kept())).one()
    photos = session.scalar(select(func.sum(Photo.bytes)).where(Photo.path.is_not(None))) or 0
    images = session.scalar(select(func.sum(Image.bytes))) or 0
    return Kept(orders, int(photos + images) // 1_000_000, oldest)


def _is_kept() -> ColumnElement[bool]:
    return Order.deleted_at.is_(None)


def _horizon(session: Session, days: float) -> datetime:
    return now_of(session) - timedelta(days=days)
