"""Erasing one order: its rows lose what is personal, and what lies elsewhere is written down as owed. One transaction.

What stays is the receipt, and what the farm's figures are counted from.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import String, cast, delete, literal, select, update
from sqlalchemy.orm import Session

from jobs.access import audit
from jobs.database import advisory_lock, now_of
from jobs.erasure.models import Erasure
from jobs.erasure.owed import COMFYUI, PROGRESS, STORAGE, show_moment
from jobs.orders import book, intake, repairs
from jobs.orders.events import raise_version, record
from jobs.orders.models import Call, Image, Order, Photo, Step, Task
from jobs.orders.states import OPEN_TASK

NOTICE_SECONDS = 5.0
"""Past the end of its claim a worker may still be writing the file that it had begun."""
UPLOAD_SECONDS = 40.0
"""The same for a photo on its way to a ComfyUI server."""
SWEPT_THERE = "input and output files, until swept there"
SWEPT_BY_AGE = "input and output files, until that host removes them for their age"
AS_ITS_TERMS_SAY = "as its terms say"


@dataclass(frozen=True)
class Terms:
    """How long a worker may believe that a step is its own; how long copies lie on ComfyUI's hosts at most; whether
    those hosts can be asked to remove them sooner.
    """

    claim_s: float
    copies_max_age_s: float
    has_sweepers: bool


@dataclass(frozen=True)
class Erased:
    """An order that is no more: its row's id, its receipt, and the public ids of tasks that were canceled by it."""

    order_id: int
    receipt: dict[str, Any]
    canceled: tuple[str, ...]


def erase_order(session: Session, order_id: str, terms: Terms, *, actor: str, booth_id: int | None = None) -> Erased:
    """Cancel what is open, forget what is personal, write down what is owed. Raises OrderNotFound, OrderDeleted.

    Intake and redo wait meanwhile, so that neither adds a task to an order that is being erased.
    """
    advisory_lock(session, intake.ADMISSION_LOCK)
    row_id = session.scalar(select(Order.id).where(Order.order_id == order_id))
    if row_id is not None:
        raise_version(session, row_id)  # locks the row: a step that is just finishing comes before what is read now
    order = book.load_order(session, order_id, booth_id)
    now = now_of(session)
    settles_at = partial(_find_settling, order, now, terms.claim_s)
    open_tasks = [task for task in order.tasks if task.status in OPEN_TASK]
    canceled = tuple(task.task_id for task in open_tasks if repairs.cancel_task(session, task.id, actor=actor))
    paths = book.list_files(session, order)
    ends_at = now + timedelta(seconds=terms.copies_max_age_s)
    prompts, providers = _list_calls(session, order)
    # Without a sweeper to ask nobody can promise a moment.
    how = {"what": SWEPT_THERE, "until": show_moment(ends_at)} if terms.has_sweepers else {"what": SWEPT_BY_AGE}
    receipt: dict[str, Any] = {
        "order_id": order.order_id,
        "deleted_at": show_moment(now),
        "tasks": len(order.tasks),
        "files": len(paths),
        "may_remain": [
            *({"place": "comfyui", "server": server} | how for server in prompts),
            *({"place": "provider", "provider": name, "what": AS_ITS_TERMS_SAY} for name in providers),
        ],
    }
    _owe(session, order, STORAGE, paths, now, settles_at(NOTICE_SECONDS))
    _owe(session, order, PROGRESS, [str(task.id) for task in order.tasks], now, settles_at(0.0))
    for server, names in prompts.items():
        until = settles_at(UPLOAD_SECONDS)
        last = until if terms.has_sweepers else max(ends_at, until)
        _owe(session, order, COMFYUI, names, now, last, server=server, ends_at=max(ends_at, until))
    _forget(session, order, now, receipt)
    record(session, now, "deleted", order_id=order.id, actor=actor)
    return Erased(order.id, receipt, canceled)


def _find_settling(order: Order, now: datetime, claim_s: float, grace_s: float) -> datetime:
    """From when on no worker can believe any more that a step of the order is its own, and `grace_s` later.

    A worker that missed its claim's end gives up before the claim would have ended, and a claim that ended long ago
    has nobody who believes in it.
    """
    last = now + timedelta(seconds=claim_s + grace_s)
    recent = now - timedelta(seconds=claim_s)
    steps = (step for task in order.tasks for step in task.steps if step.claimed_at is not None)
    return last if any(step.finished_at is None or step.finished_at > recent for step in steps) else now


def _list_calls(session: Session, order: Order) -> tuple[dict[str, list[str]], list[str]]:
    """Prompt ids by server, those whose photo may have been sent ahead included; and providers that were sent one."""
    rows = session.execute(
        select(Call.server, Call.provider, Call.external_id, Call.sent_at)
        .join(Step, Step.id == Call.step_id)
        .where(Step.task_id.in_([task.id for task in order.tasks]))
        .order_by(Call.id)
    )
    prompts: dict[str, list[str]] = {}
    providers: dict[str, None] = {}
    for server, provider, external_id, sent_at in rows:
        if server:
            prompts.setdefault(server, []).append(external_id)
        elif provider and sent_at is not None:
            providers[provider] = None
    return prompts, list(providers)


def _owe(
    session: Session,
    order: Order,
    place: str,
    names: list[str],
    now: datetime,
    settles_at: datetime,
    *,
    server: str | None = None,
    ends_at: datetime | None = None,
) -> None:
    session.add(
        Erasure(
            order_id=order.id,
            place=place,
            server=server,
            names=names,
            since=now,
            settles_at=settles_at,
            ends_at=ends_at,
            again_at=now,
        )
    )


def _forget(session: Session, order: Order, now: datetime, receipt: dict[str, Any]) -> None:
    """Empty what is personal. Hashes too: a guest's name is soon found by trying."""
    task_ids = [task.id for task in order.tasks]
    gone = literal("erased-")
    session.execute(delete(Image).where(Image.task_id.in_(task_ids)))
    session.execute(
        update(Photo)
        .where(Photo.order_id == order.id)
        .values(path=None, sha256=gone + cast(Photo.id, String))
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(Task)
        .where(Task.order_id == order.id)
        .values(options={}, photo_sha256=gone + cast(Task.photo_id, String), options_key=gone + cast(Task.id, String))
        .execution_options(synchronize_session=False)
    )
    session.execute(update(Step).where(Step.task_id.in_(task_ids)).values(detail=None))
    subjects = [f"order:{order.order_id}", *(f"task:{task.task_id}" for task in order.tasks)]
    audit.forget_details(session, subjects)
    session.execute(
        update(Order)
        .where(Order.id == order.id)
        .values(deleted_at=now, receipt=receipt, link_number=Order.link_number + 1)
        .execution_options(synchronize_session=False)
    )
