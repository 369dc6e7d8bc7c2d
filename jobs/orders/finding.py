"""Finding orders for operators: by code, order id, booth, time or status, newest first, a page at a time.

Every question walks an index from its newest end, so that a page costs the same in a full database as in an empty one.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import Session

from jobs.access.models import Booth
from jobs.errors import OrderDeleted, OrderNotFound
from jobs.orders.models import Image, Order, Photo, Task
from jobs.orders.states import derive_order_status

PAGE_ORDERS = 30
FEW_ORDERS = 100
"""So many orders at most are resolved by words; who finds more types another letter."""
SHORTEST_START = 3
"""Letters of an order id that are enough to look for ids that begin so."""
CODE_LENGTH = 6
CONFUSED = {"O": "OQD", "0": "0QD", "I": "ILJ", "1": "1LJ"}
"""What may have been meant by letters that no code has: guests read codes out, and attendants write them down."""
ORDER_ID_START = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*", re.ASCII)


@dataclass(frozen=True)
class Sought:
    """What an operator looks for; what is empty is not asked for."""

    words: str = ""
    """A short code, an order id or its beginning, a task's id, or a booth's name."""
    status: str = ""
    """Of at least one of the order's tasks."""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class FoundTask:
    """What a list shows of a task."""

    task_id: str
    style: str
    status: str
    pictures: tuple[str, ...]
    """The uids of its final images."""
    photo: int | None
    """The photo's position in the order, or None when the photo is gone."""


@dataclass(frozen=True)
class Found:
    """One line of the operators' list."""

    order_id: str
    code: str
    booth: str
    status: str
    """As derived from its tasks, or `deleted`."""
    created_at: datetime
    tasks: tuple[FoundTask, ...]


def find_orders(
    session: Session, sought: Sought, *, before: int | None = None, limit: int = PAGE_ORDERS
) -> tuple[list[Found], int | None]:
    """The newest orders first, and where the next page starts (None: there is none)."""
    ids = _list_ids(session, sought, before, limit + 1)
    following = ids[limit - 1] if len(ids) > limit else None
    return _load(session, ids[:limit]), following


def find_photo(session: Session, order_id: str, position: int) -> str:
    """The path of an order's photo. Raises OrderNotFound, OrderDeleted."""
    row = session.execute(
        select(Order.deleted_at, Photo.path)
        .join(Photo, Photo.order_id == Order.id)
        .where(Order.order_id == order_id, Photo.position == position)
    ).one_or_none()
    if row is None:
        raise OrderNotFound()
    if row.deleted_at is not None or row.path is None:
        raise OrderDeleted()
    return str(row.path)


def read_code(words: str) -> list[str]:
    """The codes that may have been meant, the one as written first; empty when it cannot be a code.

    Case, blanks and dashes do not matter.
    """
    letters = re.sub(r"[\s-]", "", words).upper()
    if len(letters) != CODE_LENGTH:
        return []
    return ["".join(code) for code in itertools.product(*(CONFUSED.get(letter, letter) for letter in letters))]


def _list_ids(session: Session, sought: Sought, before: int | None, limit: int) -> list[int]:
    """Row ids of orders, newest first."""
    match = _match(session, sought.words) if sought.words else None
    # Ids are given in the order of admission, so a stretch of time is a stretch of ids.
    first = _first_since(session, sought.since) if sought.since else 0
    last = _last_before(session, sought.until) if sought.until else None
    if first is None or (sought.until and last is None):
        return []
    if sought.status and match is None:
        column: ColumnElement[int] = Task.order_id.expression
        query = select(column).distinct().where(Task.status == sought.status)
    else:
        column = Order.id.expression
        query = select(column)
        if match is not None:
            query = query.where(match)
        if sought.status:
            query = query.where(exists().where(Task.order_id == Order.id, Task.status == sought.status))
    if first:
        query = query.where(column >= first)
    if last is not None:
        query = query.where(column <= last)
    if before is not None:
        query = query.where(column < before)
    return list(session.scalars(query.order_by(column.desc()).limit(limit)))


def _first_since(session: Session, moment: datetime) -> int | None:
    query = select(Order.id).where(Order.created_at >= moment).order_by(Order.created_at, Order.id).limit(1)
    return session.scalar(query)


def _last_before(session: Session, moment: datetime) -> int | None:
    query = select(Order.id).where(Order.created_at < moment)
    return session.scalar(query.order_by(Order.created_at.desc(), Order.id.desc()).limit(1))


def _match(session: Session, words: str) -> ColumnElement[bool]:
    """What was searched for, resolved first: one question over three tables would look at every order."""
    named = [Order.order_id == words]
    if codes := read_code(words):
        named.append(Order.code.in_(codes))
    if len(words) >= SHORTEST_START and ORDER_ID_START.fullmatch(words):
        named.append(_starts_with(session, words))
    newest = select(Order.id).order_by(Order.id.desc()).limit(FEW_ORDERS)
    orders = {order_id for one in named for order_id in session.scalars(newest.where(one))}
    of_task = session.scalar(select(Task.order_id).where(Task.task_id == words.lower()))
    if of_task is not None:
        orders.add(of_task)
    booth_id = session.scalar(select(Booth.id).where(Booth.name == words))
    if booth_id is None:
        return Order.id.in_(orders)
    own = Order.booth_id == booth_id
    return or_(own, Order.id.in_(orders)) if orders else own


def _starts_with(session: Session, start: str) -> ColumnElement[bool]:
    """Order ids that begin so, asked in the way that each database answers from an index."""
    if session.get_bind().dialect.name == "postgresql":
        return Order.order_id.like(start.replace("_", r"\_") + "%", escape="\\")
    return Order.order_id.op("GLOB")(start + "*")


def _load(session: Session, ids: list[int]) -> list[Found]:
    """What the list shows of these orders, in their order."""
    orders = {
        order.id: (order, booth)
        for order, booth in session.execute(
            select(Order, Booth.name).join(Booth, Booth.id == Order.booth_id).where(Order.id.in_(ids))
        )
    }
    tasks = session.execute(
        select(Task.id, Task.order_id, Task.task_id, Task.style, Task.status, Photo.position, Photo.path)
        .join(Photo, Photo.id == Task.photo_id)
        .where(Task.order_id.in_(ids))
        .order_by(Task.id)
    ).all()
    pictures = defaultdict[int, list[str]](list)
    for task_id, uid in session.execute(
        select(Image.task_id, Image.uid)
        .where(Image.task_id.in_([task.id for task in tasks]), Image.final)
        .order_by(Image.id)
    ):
        pictures[task_id].append(uid)
    by_order = defaultdict[int, list[FoundTask]](list)
    for task in tasks:
        photo = None if task.path is None else task.position
        by_order[task.order_id].append(
            FoundTask(task.task_id, task.style, task.status, tuple(pictures[task.id]), photo)
        )
    found = []
    for order_id in ids:
        order, booth = orders[order_id]
        own = tuple(by_order[order_id])
        status = "deleted" if order.deleted_at else derive_order_status(task.status for task in own)
        found.append(Found(order.order_id, order.code, booth, status, order.created_at, own))
    return found
