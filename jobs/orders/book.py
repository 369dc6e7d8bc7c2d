"""The questions asked of orders: one order whole, a task, and the places in the queue.

Operators find orders by finding.py; what happened to them is told by telling.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload, selectinload

from jobs.errors import OrderDeleted, OrderNotFound
from jobs.orders.models import Order, Photo, Task
from jobs.orders.states import OPEN_TASK


def load_order(session: Session, order_id: str, booth_id: int | None = None) -> Order:
    """An order with its tasks, steps, photos and images. `booth_id` None: whoever's it is.

    Raises OrderNotFound (another booth's looks like none at all), OrderDeleted.
    """
    order = session.scalar(
        select(Order)
        .where(Order.order_id == order_id)
        .options(
            selectinload(Order.tasks).selectinload(Task.steps),
            selectinload(Order.tasks).selectinload(Task.images),
            selectinload(Order.tasks).joinedload(Task.photo),
        )
    )
    if order is None or (booth_id is not None and order.booth_id != booth_id):
        raise OrderNotFound()
    if order.deleted_at is not None:
        raise OrderDeleted()
    return order


@dataclass(frozen=True)
class Version:
    """Which order, by row id, and how often it has moved."""

    id: int
    version: int


def find_version(session: Session, order_id: str, booth_id: int) -> Version:
    """How far a booth's order is, and nothing else of it. Raises OrderNotFound, OrderDeleted."""
    row = session.execute(
        select(Order.id, Order.version, Order.booth_id, Order.deleted_at).where(Order.order_id == order_id)
    ).one_or_none()
    if row is None or row.booth_id != booth_id:
        raise OrderNotFound()
    if row.deleted_at is not None:
        raise OrderDeleted()
    return Version(row.id, row.version)


def find_task(session: Session, task_id: str, booth_id: int | None = None) -> Task:
    """A task by its public id. Raises OrderNotFound, OrderDeleted."""
    task = session.scalar(select(Task).where(Task.task_id == task_id).options(joinedload(Task.order)))
    if task is None or (booth_id is not None and task.order.booth_id != booth_id):
        raise OrderNotFound()
    if task.order.deleted_at is not None:
        raise OrderDeleted()
    return task


def read_versions(session: Session, order_ids: list[int]) -> dict[int, int]:
    """The versions of orders, by row id."""
    rows = session.execute(select(Order.id, Order.version).where(Order.id.in_(order_ids)))
    return {order_id: version for order_id, version in rows}


def places_of(session: Session, task_ids: list[int]) -> dict[int, int]:
    """Row id -> tasks ahead, for those of these tasks that are queued."""
    queued = list(session.scalars(select(Task.id).where(Task.status == "queued").order_by(Task.id)))
    ahead = {task_id: place for place, task_id in enumerate(queued)}
    return {task_id: ahead[task_id] for task_id in task_ids if task_id in ahead}


def recent_waits(session: Session) -> list[float]:
    """Seconds from acceptance to the picture of the tasks that finished last, ascending."""
    rows = session.execute(
        select(Task.created_at, Task.finished_at)
        .where(Task.status == "succeeded", Task.finished_at.is_not(None))
        .order_by(Task.finished_at.desc())
        .limit(100)
    )
    return sorted((finished - created).total_seconds() for created, finished in rows if finished)


def list_files(session: Session, order: Order) -> list[str]:
    """Every file that an order's rows name."""
    photos = session.scalars(select(Photo.path).where(Photo.order_id == order.id))
    images = [path for task in order.tasks for image in task.images for path in (image.path, image.thumbnail_path)]
    return [path for path in [*photos, *images] if path is not None]


def count_by_status(session: Session) -> dict[str, int]:
    """Tasks ever accepted, by status. Looks at every task: the figures come from the tallies where those are whole."""
    return {status: count for status, count in session.execute(select(Task.status, func.count()).group_by(Task.status))}


def count_open(session: Session) -> dict[str, int]:
    """Tasks that have not ended, by status: looks at no others."""
    query = select(Task.status, func.count()).where(Task.status.in_(OPEN_TASK)).group_by(Task.status)
    return {status: count for status, count in session.execute(query)}


def oldest_queued_at(session: Session) -> datetime | None:
    """When the task was accepted that has waited longest for its start."""
    return session.scalar(select(Task.created_at).where(Task.status == "queued").order_by(Task.id).limit(1))


def last_finished_at(session: Session) -> datetime | None:
    """When a task last came to its end."""
    return session.scalar(select(func.max(Task.finished_at)))
