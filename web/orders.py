"""Orders of booths and guests, loaded and shown with what surrounds them: places in the queue, times left, progress.

Takes the farm as an argument, not from a request: event streams outlive theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from jobs.access.booths import BoothId
from jobs.farm import Farm
from jobs.forecast.span import SecondsLeft
from jobs.orders import book
from jobs.orders.links import load_by_link
from jobs.orders.models import Order
from jobs.orders.states import OPEN_TASK
from web import schemas
from web.showing import Surroundings, show_order, show_task


def load_order(farm: Farm, booth: BoothId, order_id: str) -> schemas.Order:
    """A booth's order as the contract shows it. Raises OrderNotFound, OrderDeleted."""

    def load(session: Session) -> Seen:
        return _look(session, book.load_order(session, order_id, booth.id), farm)

    seen = farm.database.read(load)
    return show_order(seen.order, _look_around(seen, booth, farm), farm.signer, farm.settings.base_url)


def load_task(farm: Farm, booth: BoothId, task_id: str) -> schemas.Task:
    """A booth's task. Raises OrderNotFound, OrderDeleted."""

    def load(session: Session) -> Seen:
        task = book.find_task(session, task_id, booth.id)
        return _look(session, book.load_order(session, task.order.order_id, booth.id), farm)

    seen = farm.database.read(load)
    around = _look_around(seen, booth, farm)
    return next(show_task(one, around, farm.signer) for one in seen.order.tasks if one.task_id == task_id)


def load_guest_order(farm: Farm, token: str) -> schemas.Order:
    """The order that a guest's link leads to, without its booth's name. Raises NotFound."""

    def load(session: Session) -> Seen:
        return _look(session, load_by_link(session, token, farm.signer, farm.settings.retention_days), farm)

    seen = farm.database.read(load)
    around = _look_around(seen, BoothId(seen.order.booth_id, ""), farm)
    return show_order(seen.order, around, farm.signer, farm.settings.base_url)


@dataclass(frozen=True)
class Seen:
    """An order as the database has it, with the places and times left of its open tasks."""

    order: Order
    places: dict[int, int]
    left: dict[int, SecondsLeft | None]


def _look(session: Session, order: Order, farm: Farm) -> Seen:
    open_ids = [task.id for task in order.tasks if task.status in OPEN_TASK]
    places = book.places_of(session, open_ids) if open_ids else {}
    return Seen(order, places, farm.forecast.seconds_left(session, open_ids))


def _look_around(seen: Seen, booth: BoothId, farm: Farm) -> Surroundings:
    """With what Redis knows, asked once the database's connection is given back: Redis may take its time."""
    return Surroundings(booth.name, seen.places, seen.left, farm.announcer.read_progress(list(seen.left)))
