"""What calls to providers cost: by provider and day, by task of an order. Prices are the operator's own, per call.

A call that made its picture is known to cost; one of which nobody can tell, or that was stopped, may be on the bill and
is counted apart; one that failed or was never sent costs nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.database import now_of
from jobs.orders.models import Call, Step, Task

PARTS = {"succeeded": "known", "unknown": "unknown", "stopped": "unknown"}
AMOUNT = func.coalesce(Call.cost, Call.price)


@dataclass
class Spending:
    """In the currency of the prices."""

    known: float = 0.0
    unknown: float = 0.0
    open: float = 0.0

    @property
    def total(self) -> float:
        """All of it, as if every doubtful call were on the bill."""
        return self.known + self.unknown + self.open

    def add(self, state: str, outcome: str | None, amount: float | None) -> None:
        """Count a call, or the sum of several that ended alike."""
        part = "open" if state != "closed" else PARTS.get(outcome or "")
        if part and amount:
            setattr(self, part, getattr(self, part) + amount)


def spent_today(session: Session) -> dict[str, Spending]:
    """By provider, for calls that were sent since midnight UTC."""
    return spent_since(session, now_of(session).replace(hour=0, minute=0, second=0, microsecond=0))


def spent_since(session: Session, since: datetime) -> dict[str, Spending]:
    """By provider, for calls that were sent since then."""
    return _gather(
        session.execute(
            select(Call.provider, Call.state, Call.outcome, func.sum(AMOUNT))
            .where(Call.provider.is_not(None), Call.sent_at >= since)
            .group_by(Call.provider, Call.state, Call.outcome)
        )
    )


def spent_by_day(session: Session, days: int) -> dict[date, dict[str, Spending]]:
    """By day in UTC, the latest first, then by provider; days without a call are left out."""
    since = now_of(session).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    rows = session.execute(
        select(Call.sent_at, Call.provider, Call.state, Call.outcome, AMOUNT).where(
            Call.provider.is_not(None), Call.sent_at >= since
        )
    )
    by_day: dict[date, list[Any]] = defaultdict(list)
    for sent_at, *row in rows:
        if sent_at is not None:
            by_day[sent_at.date()].append(row)
    return {day: _gather(by_day[day]) for day in sorted(by_day, reverse=True)}


def spent_on_order(session: Session, order_id: int) -> dict[str, Spending]:
    """By the public id of each of the order's tasks that was sent to a provider. `order_id`: the row's."""
    return _gather(
        session.execute(
            select(Task.task_id, Call.state, Call.outcome, func.sum(AMOUNT))
            .join(Step, Step.id == Call.step_id)
            .join(Task, Task.id == Step.task_id)
            .where(Task.order_id == order_id, Call.provider.is_not(None), Call.sent_at.is_not(None))
            .group_by(Task.task_id, Call.state, Call.outcome)
        )
    )


def _gather(rows: Iterable[Any]) -> dict[str, Spending]:
    """(key, state, outcome, amount) rows by their key, without those that cost nothing."""
    spending: dict[str, Spending] = defaultdict(Spending)
    for key, state, outcome, amount in rows:
        spending[key].add(state, outcome, amount)
    return {key: one for key, one in sorted(spending.items()) if one.total}
