"""What guests were promised when their task was accepted, and what became of it.

A promise is the range in which the picture was to be there. It is judged when the task has succeeded: kept, early or
late. Tasks that failed or were canceled are counted as such elsewhere and judge no promise.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import case, func, select, update
from sqlalchemy.orm import Session

from jobs.orders.models import Task

NEWEST = 100
"""Of how many tasks the medians are taken."""


class Range(Protocol):
    """From when to when."""

    @property
    def low(self) -> datetime:
        """At the earliest."""

    @property
    def high(self) -> datetime:
        """At the latest."""


def keep(session: Session, ranges: Mapping[int, Range]) -> None:
    """Write down what was promised for tasks, by row id."""
    if ranges:
        rows = [{"id": key, "promised_low_at": one.low, "promised_high_at": one.high} for key, one in ranges.items()]
        session.execute(update(Task), rows)


def judge(low: datetime, high: datetime, finished_at: datetime) -> tuple[str, float]:
    """kept, early or late, and by how many seconds it was missed."""
    if finished_at < low:
        return "early", (low - finished_at).total_seconds()
    if finished_at > high:
        return "late", (finished_at - high).total_seconds()
    return "kept", 0.0


@dataclass(frozen=True)
class Kept:
    """How promises were kept: tasks by outcome, and of the newest of them the median seconds that were promised, from
    and to, and that it really took. Medians are None without any.
    """

    kept: int
    early: int
    late: int
    promised: tuple[float, float] | None
    real: float | None

    @property
    def share(self) -> float | None:
        """The share that came within the promised range; None without any."""
        judged = self.kept + self.early + self.late
        return self.kept / judged if judged else None


def read_kept(session: Session, since: datetime) -> Kept:
    """Of the pictures that were done since then: today's, or the evening's."""
    judged = (Task.status == "succeeded", Task.finished_at >= since, Task.promised_low_at.is_not(None))
    outcome = case(
        (Task.finished_at < Task.promised_low_at, "early"),
        (Task.finished_at > Task.promised_high_at, "late"),
        else_="kept",
    )
    counts = {
        name: count for name, count in session.execute(select(outcome, func.count()).where(*judged).group_by(outcome))
    }
    newest = session.execute(
        select(Task.created_at, Task.promised_low_at, Task.promised_high_at, Task.finished_at)
        .where(*judged)
        .order_by(Task.finished_at.desc())
        .limit(NEWEST)
    ).all()
    low, high, real = (
        statistics.median((row[column] - row.created_at).total_seconds() for row in newest) if newest else None
        for column in (1, 2, 3)
    )
    return Kept(
        kept=counts.get("kept", 0),
        early=counts.get("early", 0),
        late=counts.get("late", 0),
        promised=None if low is None or high is None else (low, high),
        real=real,
    )
