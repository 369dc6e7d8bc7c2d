"""What each booth sent: its last order, and how much of it today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.access.models import Booth
from jobs.orders.models import Order, Task
from jobs.orders.watch import newest_order_at


@dataclass(frozen=True)
class BoothDay:
    """A booth, when its last order came, and its orders and tasks of the day."""

    booth: Booth
    last_order_at: datetime | None
    orders: int
    tasks: int


def list_booth_days(session: Session, since: datetime) -> list[BoothDay]:
    """All booths by name, those with a key first. `since`: when the day began. Two questions."""
    counts = {
        booth_id: (orders, tasks)
        for booth_id, orders, tasks in session.execute(
            select(Order.booth_id, func.count(func.distinct(Order.id)), func.count(Task.id))
            .outerjoin(Task, Task.order_id == Order.id)
            .where(Order.created_at >= since)
            .group_by(Order.booth_id)
        )
    }
    rows = session.execute(select(Booth, newest_order_at()).order_by(Booth.key_sha256.is_(None), Booth.name))
    return [BoothDay(booth, last, *counts.get(booth.id, (0, 0))) for booth, last in rows]
