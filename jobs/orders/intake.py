"""The rows of a submission: what of it is new, whether there is room, and inserting it. Inside one transaction each."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.access.booths import BoothId
from jobs.access.links import Signer, guest_key, new_code
from jobs.database import advisory_lock, now_of
from jobs.errors import IntakePaused, OrderClosed, OrderDeleted, OrderTaken, QueueFull
from jobs.media.images import Encoded
from jobs.orders.events import raise_version, record
from jobs.orders.models import Order, Photo, Recipe, Step, Task
from jobs.orders.moves import count_queued, queue_first_step
from jobs.orders.pauses import INTAKE, list_paused
from jobs.orders.repairs import PASSING_KINDS, revive_task
from jobs.styles.ladder import Choice
from jobs.styles.options import key_of
from jobs.styles.shelf import Style

ADMISSION_LOCK = 0x6661726D02
FULL_RETRY_SECONDS = 15
PAUSED_RETRY_SECONDS = 60
SEED_LIMIT = 2**48
"""Seeds are drawn below this; core samplers take up to 2**64, some custom nodes far less."""


@dataclass(frozen=True)
class Bounds:
    """The settings that admission obeys."""

    queue_limit: int
    order_open_s: float
    deadline_s: float


@dataclass(frozen=True)
class Request:
    """A checked submission: whose, which order, which style and options, and the digests of its photos as received."""

    booth: BoothId
    order_id: str
    style: Style
    options: dict[str, Any]
    digests: tuple[str, ...]

    @property
    def options_key(self) -> str:
        """The digest of the options as given."""
        return key_of(self.options)


@dataclass(frozen=True)
class StoredPhoto:
    """A photo whose file is on disk."""

    path: str
    encoded: Encoded


@dataclass(frozen=True)
class Taken:
    """What a submission added: the photos that rows name now, and the public ids of new and of revived tasks."""

    paths: frozenset[str]
    task_ids: tuple[str, ...]


@dataclass(frozen=True)
class Missing:
    """What a submission would add: digests without a task, and digests whose task is to be tried again."""

    fresh: tuple[str, ...]
    revived: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.fresh or self.revived)


def find_missing(session: Session, request: Request) -> Missing:
    """What of a submission is not there yet, or has failed for a passing reason. Raises OrderTaken, OrderDeleted."""
    order = _find_order(session, request)
    if order is None:
        return Missing(request.digests, ())
    tasks = {digest: _find_task(session, order, request, digest) for digest in request.digests}
    return Missing(
        tuple(digest for digest, task in tasks.items() if task is None),
        tuple(digest for digest, task in tasks.items() if task is not None and _is_wanted(task)),
    )


def look(
    session: Session, request: Request, choose_rungs: Callable[[Session, Style], list[Choice]], bounds: Bounds
) -> tuple[Missing, list[Choice]]:
    """What is new of a request, and how its steps would begin; raises when it could not be taken now.

    Plain reads, before any photo is decoded.
    """
    missing = find_missing(session, request)
    choices = choose_rungs(session, request.style) if missing else []
    if missing.fresh:  # what is tried again never enters the count
        check_room(session, len(missing.fresh), bounds.queue_limit)
    return missing, choices


def check_room(session: Session, new: int, queue_limit: int) -> None:
    """Raise QueueFull or IntakePaused when so many new tasks cannot be taken now."""
    if INTAKE in list_paused(session, now_of(session)):
        raise IntakePaused(retry_after=PAUSED_RETRY_SECONDS)
    if count_queued(session) + new > queue_limit:
        raise QueueFull(retry_after=FULL_RETRY_SECONDS)


def insert(
    session: Session,
    request: Request,
    choices: list[Choice],
    stored: dict[str, StoredPhoto],
    signer: Signer,
    bounds: Bounds,
    promise: Callable[[Session, list[int]], None],
) -> Taken | None:
    """Count and insert. `choices`: how each step begins. `promise`: writes down when tasks, by row id, will be
    done. None when nothing was added.
    """
    advisory_lock(session, ADMISSION_LOCK)
    now = now_of(session)
    order = _find_order(session, request)
    tasks = {digest: _find_task(session, order, request, digest) if order else None for digest in request.digests}
    fresh = [digest for digest, task in tasks.items() if task is None]
    revived = [task for task in tasks.values() if task is not None and _is_wanted(task)]
    if not fresh and not revived:
        return None
    if fresh:
        if order is not None and order.created_at + timedelta(seconds=bounds.order_open_s) < now:
            raise OrderClosed()
        check_room(session, len(fresh), bounds.queue_limit)
    if order is None:
        order = _new_order(session, request, signer, now)
    else:
        raise_version(session, order.id)
    used, added = set(), revived
    for digest in fresh:
        photo = _keep_photo(session, order, digest, stored, now)
        used.add(str(photo.path))
        task = add_task(
            session,
            order.id,
            photo,
            request.style,
            choices,
            request.options,
            take=0,
            now=now,
            deadline_s=bounds.deadline_s,
            actor=f"booth:{request.booth.name}",
        )
        added = [*added, task]
    for task in revived:
        revive_task(session, task.id, actor=f"booth:{request.booth.name}", deadline_s=bounds.deadline_s)
    promise(session, [task.id for task in added])
    return Taken(frozenset(used), tuple(task.task_id for task in added))


def add_task(
    session: Session,
    order_id: int,
    photo: Photo,
    style: Style,
    choices: list[Choice],
    options: dict[str, Any],
    *,
    take: int,
    now: datetime,
    deadline_s: float,
    actor: str,
) -> Task:
    """Insert a task with its steps, the first of them queued (S1). `style` must have a recipe; `choices` says on which
    rung each step begins.
    """
    if style.recipe is None:
        raise ValueError("a style without a recipe cannot be ordered")
    if session.get(Recipe, style.recipe_id) is None:
        session.add(Recipe(id=style.recipe_id, style=style.name, document=style.recipe, created_at=now))
        session.flush()
    task = Task(
        task_id=uuid.uuid4().hex,
        order_id=order_id,
        photo_id=photo.id,
        photo_sha256=photo.sha256,
        style=style.name,
        recipe_id=style.recipe_id,
        options=options,
        options_key=key_of(options),
        take=take,
        seed=secrets.randbelow(SEED_LIMIT),
        status="queued",
        created_at=now,
        deadline_at=now + timedelta(seconds=deadline_s),
    )
    session.add(task)
    session.flush()
    record(session, now, "accepted", order_id=order_id, task_id=task.id, actor=actor, detail={"style": style.name})
    for position, choice in enumerate(choices):
        step = Step(
            task_id=task.id,
            position=position,
            rung=choice.rung.number,
            rung_why=choice.why,
            resource=choice.rung.resource,
            provider=choice.rung.provider,
            timeout_s=choice.rung.timeout_s,
            status="pending",
        )
        session.add(step)
        if position == 0:
            queue_first_step(session, step, now)
    return task


def _new_order(session: Session, request: Request, signer: Signer, now: datetime) -> Order:
    uid = uuid.uuid4().hex
    order = Order(
        uid=uid,
        order_id=request.order_id,
        booth_id=request.booth.id,
        code=new_code(),
        guest_key=guest_key(signer.guest_token(uid, 1)),
        link_number=1,
        version=1,
        created_at=now,
    )
    session.add(order)
    session.flush()
    record(session, now, "accepted", order_id=order.id, actor=f"booth:{request.booth.name}")
    return order


def _keep_photo(session: Session, order: Order, digest: str, stored: dict[str, StoredPhoto], now: datetime) -> Photo:
    photo = session.scalar(select(Photo).where(Photo.order_id == order.id, Photo.sha256 == digest))
    if photo is not None:
        return photo
    file = stored[digest]
    count = session.scalar(select(func.count()).select_from(Photo).where(Photo.order_id == order.id)) or 0
    photo = Photo(
        order_id=order.id,
        sha256=digest,
        position=count,
        path=file.path,
        width=file.encoded.width,
        height=file.encoded.height,
        bytes=len(file.encoded.data),
        created_at=now,
    )
    session.add(photo)
    session.flush()
    return photo


def _find_order(session: Session, request: Request) -> Order | None:
    order = session.scalar(select(Order).where(Order.order_id == request.order_id))
    if order is None:
        return None
    if order.booth_id != request.booth.id:
        raise OrderTaken()
    if order.deleted_at is not None:
        raise OrderDeleted()
    return order


def _find_task(session: Session, order: Order, request: Request, digest: str) -> Task | None:
    return session.scalar(
        select(Task).where(
            Task.order_id == order.id,
            Task.photo_sha256 == digest,
            Task.style == request.style.name,
            Task.options_key == request.options_key,
            Task.take == 0,
        )
    )


def _is_wanted(task: Task | None) -> bool:
    return task is None or (task.status == "failed" and task.kind in PASSING_KINDS)
