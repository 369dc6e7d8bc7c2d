"""What became of an order or a task, for operators: its rows, and all that happened as one time line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from jobs.access.audit import list_for
from jobs.access.models import AuditEntry, Booth
from jobs.errors import OrderNotFound
from jobs.orders.book import load_order
from jobs.orders.models import Event, Order, Step, Task
from jobs.orders.states import derive_order_status

TOLD_BY_THE_MOVE = frozenset({"retry", "cancel"})
"""Presses whose move is an event with the same actor in the same transaction: one line says both."""


@dataclass(frozen=True)
class OrderStory:
    """An order as operators see it, and what they did to it and its tasks."""

    order: Order
    booth: str
    status: str
    audit: list[AuditEntry]


def tell_order(session: Session, order_id: str) -> OrderStory:
    """An order for its page. Raises OrderNotFound, OrderDeleted."""
    order = load_order(session, order_id)
    booth = session.get_one(Booth, order.booth_id).name
    subjects = [f"order:{order_id}", *(f"task:{task.task_id}" for task in order.tasks)]
    return OrderStory(
        order, booth, derive_order_status(task.status for task in order.tasks), list_for(session, *subjects)
    )


def find_receipt(session: Session, order_id: str) -> dict[str, Any]:
    """What was written down when an order was deleted. Raises OrderNotFound while there is nothing of the kind."""
    receipt: dict[str, Any] | None = session.scalar(
        select(Order.receipt).where(Order.order_id == order_id, Order.deleted_at.is_not(None))
    )
    if receipt is None:
        raise OrderNotFound()
    return receipt


@dataclass(frozen=True)
class Happening:
    """One line of a task's time line."""

    at: datetime
    what: str
    """A move of states.py, another event's name, `sent`, or `pressed <action>`."""
    actor: str
    step: int | None = None
    """The step's position."""
    attempt: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Story:
    """All that happened to a task, for the operators' page."""

    task: Task
    order: Order
    booth: str
    steps: list[Step]
    events: list[Event]
    audit: list[AuditEntry]
    moments: list[Happening]
    """The same as one time line."""


def tell_story(session: Session, task_id: str) -> Story:
    """A task with its attempts, calls, events and what operators did. Raises OrderNotFound."""
    task = session.scalar(
        select(Task)
        .where(Task.task_id == task_id)
        .options(
            joinedload(Task.order),
            joinedload(Task.photo),
            selectinload(Task.images),
            selectinload(Task.steps).selectinload(Step.calls),
        )
    )
    if task is None:
        raise OrderNotFound("There is no such task.")
    booth = session.get_one(Booth, task.order.booth_id).name
    events = list(session.scalars(select(Event).where(Event.task_id == task.id).order_by(Event.id)))
    audit = list_for(session, f"task:{task_id}")
    return Story(task, task.order, booth, list(task.steps), events, audit, _put_in_order(events, task.steps, audit))


def _put_in_order(events: Iterable[Event], steps: Iterable[Step], audit: Iterable[AuditEntry]) -> list[Happening]:
    """Oldest first; what happened at one instant stays as it was written down."""
    positions = {step.id: step.position for step in steps}
    moments = [
        Happening(event.at, event.move, event.actor, positions.get(event.step_id or 0), event.attempt, event.detail)
        for event in events
    ]
    moments += _list_sendings(steps)
    moments += [
        Happening(entry.at, f"pressed {entry.action}", entry.actor, detail=entry.detail)
        for entry in audit
        if entry.action not in TOLD_BY_THE_MOVE
    ]
    return sorted(moments, key=lambda moment: moment.at)


def _list_sendings(steps: Iterable[Step]) -> Iterator[Happening]:
    for step in steps:
        for call in step.calls:
            if call.sent_at is not None:
                where = {"where": call.server or call.provider, "resource": call.resource}
                yield Happening(call.sent_at, "sent", "", step.position, call.attempt, where)
