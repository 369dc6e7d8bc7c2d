"""What is still to be done, and how long the like of it took lately: what a forecast is made from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.orders.models import Call, Step, Task
from jobs.orders.states import OPEN_STEP, OPEN_TASK

RECENT_CALLS = 300
"""From how many of the newest calls durations are measured."""


class Way(NamedTuple):
    """What tells apart how a step is made, as far as its duration goes."""

    style: str
    position: int
    rung: int
    resource: str
    provider: str | None


@dataclass(frozen=True)
class OpenStep:
    """A step that has not ended. `server` and `opened_at` are those of its open call, if it has one."""

    way: Way
    task_id: int
    recipe_id: str
    timeout_s: float
    status: str
    not_before: datetime | None
    server: str | None
    opened_at: datetime | None


def list_open_steps(session: Session, after: int = 0) -> list[OpenStep]:
    """In the order in which they are served. `after`: only those of tasks that were accepted after this row id."""
    rows: Iterable[Any] = session.execute(
        select(
            Task.style,
            Step.position,
            Step.rung,
            Step.resource,
            Step.provider,
            Step.task_id,
            Task.recipe_id,
            Step.timeout_s,
            Step.status,
            Step.not_before,
            Call.server,
            Call.opened_at,
        )
        .join(Task, Task.id == Step.task_id)
        .outerjoin(Call, (Call.step_id == Step.id) & (Call.state == "open"))
        .where(Task.status.in_(OPEN_TASK), Task.id > after, Step.status.in_(OPEN_STEP))
        .order_by(Step.task_id, Step.position)
    )
    return [OpenStep(Way(*row[:5]), *row[5:]) for row in rows]


@dataclass(frozen=True)
class Sample:
    """How long one successful call took. `seconds` of a server's call do not hold its wait for the one before it."""

    way: Way
    seconds: float


def list_samples(session: Session) -> list[Sample]:
    """The newest first."""
    newest = select(func.max(Call.id)).scalar_subquery()
    rows: Iterable[Any] = session.execute(
        select(
            Task.style,
            Step.position,
            Step.rung,
            Call.resource,
            Call.provider,
            Call.server,
            Call.opened_at,
            Call.closed_at,
        )
        .join(Step, Step.id == Call.step_id)
        .join(Task, Task.id == Step.task_id)
        .where(Call.id > newest - RECENT_CALLS, Call.outcome == "succeeded")
        .order_by(Call.closed_at)
    )
    samples, last_closed = [], dict[str, datetime]()
    for *way, server, opened_at, closed_at in rows:
        if closed_at is None:
            continue  # never of a call that has an outcome
        began_at = opened_at
        if server is not None:  # a server makes one picture after the other
            began_at = max(opened_at, last_closed.get(server, opened_at))
            last_closed[server] = closed_at
        samples.append(Sample(Way(*way), (closed_at - began_at).total_seconds()))
    return samples[::-1]
