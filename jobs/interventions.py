"""What booths and operators may do to an order besides submitting it: retry, redo, cancel, delete, another link.

Each is a move, its audit and what must follow outside, the same for whoever asks.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from jobs.access import audit
from jobs.access.links import Signer, guest_key
from jobs.database import Database, advisory_lock, now_of
from jobs.erasure.eraser import Eraser
from jobs.erasure.orders import Erased, Terms, erase_order
from jobs.errors import Conflict
from jobs.forecast.forecast import Forecast
from jobs.menu import Menu
from jobs.orders import book, intake, repairs
from jobs.orders.events import raise_version
from jobs.orders.failures import Failures, list_failed, revive_failed
from jobs.orders.intake import Bounds
from jobs.orders.models import Order, Task
from jobs.orders.states import OPEN_TASK
from jobs.styles.ladder import Choice
from jobs.styles.shelf import Style

log = logging.getLogger(__name__)

BATCH_TASKS = 20
"""Tasks that one transaction tries again."""


@dataclass(frozen=True)
class Interventions:
    """All of them. `booth_id` None: an operator, who may touch every order; else only that booth's are found."""

    database: Database
    eraser: Eraser
    menu: Menu
    forecast: Forecast
    bounds: Bounds
    terms: Terms
    signer: Signer

    def retry(self, task_id: str, *, actor: str) -> None:
        """A failed task is tried again. Raises OrderNotFound, Conflict."""
        self.database.write(self._retry, task_id, actor)
        log.info("a failed task is tried again", extra={"task_id": task_id, "actor": actor, "move": "S9"})

    def retry_failures(self, failures: Failures, *, actor: str) -> tuple[int, int]:
        """Try all of one cause again; returns how many, and how many had moved on meanwhile.

        A few at a time: a transaction that held hundreds of orders would keep booths and workers waiting.
        """
        task_ids = self.database.read(list_failed, failures)
        revived = 0
        for start in range(0, len(task_ids), BATCH_TASKS):
            batch = task_ids[start : start + BATCH_TASKS]
            revived += self.database.write(revive_failed, batch, actor=actor, deadline_s=self.bounds.deadline_s)
        found = {"kind": failures.kind, "tasks": revived, "moved_on": len(task_ids) - revived}
        log.info("the failures of one cause are tried again", extra=found | {"actor": actor, "move": "S9"})
        return revived, len(task_ids) - revived

    def redo(self, task_id: str, *, actor: str, booth_id: int | None = None) -> str:
        """Another take of the same photo and style, admitted like any new task; returns its id.

        Raises OrderNotFound, Conflict while one is open, StyleUnknown, StyleUnavailable, QueueFull.
        """
        task = self.database.read(book.find_task, task_id, booth_id)
        style, choices = self.database.read(self.menu.choose, task.style)
        fresh = self.database.write(self._redo, task_id, style, choices, actor, booth_id)
        log.info("another take was accepted", extra={"task_id": fresh, "of_task_id": task_id, "actor": actor})
        return fresh

    def cancel_task(self, task_id: str, *, actor: str, booth_id: int | None = None) -> str:
        """Nobody wants the task any more; returns its order's id. A task that has ended stays as it is."""
        order_id = self.database.write(self._cancel_task, task_id, actor, booth_id)
        log.info("a task was canceled", extra={"task_id": task_id, "order_id": order_id, "actor": actor})
        return order_id

    def cancel_order(self, order_id: str, *, actor: str, booth_id: int | None = None) -> None:
        """Cancel every open task of an order. Raises OrderNotFound."""
        order = self.database.write(self._cancel_order, order_id, actor, booth_id)
        ids = [task.task_id for task in order.tasks]
        log.info("an order was canceled", extra={"order_id": order_id, "task_ids": ids, "actor": actor})

    def renew_link(self, order_id: str, *, actor: str) -> None:
        """Give the guest another link; the old one ends at once. Raises OrderNotFound, OrderDeleted."""
        self.database.write(self._renew_link, order_id, actor)
        log.info("an order was given another link", extra={"order_id": order_id, "actor": actor})

    def delete_order(self, order_id: str, *, actor: str, booth_id: int | None = None) -> dict[str, Any]:
        """Cancel, then remove photos, pictures, links and progress; returns the receipt. Raises OrderNotFound.

        The order is gone with the commit. Files go right after it; what cannot go at once is owed.
        """
        erased = self.database.write(self._delete, order_id, actor, booth_id)
        self.eraser.work_off_order(erased.order_id)
        log.info("an order was deleted", extra={"order_id": order_id, "actor": actor})
        return erased.receipt

    def _retry(self, session: Session, task_id: str, actor: str) -> None:
        advisory_lock(session, intake.ADMISSION_LOCK)  # a deletion holds it: what it takes is not revived
        task = book.find_task(session, task_id)
        repairs.revive_task(session, task.id, actor=actor, deadline_s=self.bounds.deadline_s)
        audit.note(session, actor, "retry", f"task:{task_id}")

    def _redo(
        self, session: Session, task_id: str, style: Style, choices: list[Choice], actor: str, booth_id: int | None
    ) -> str:
        advisory_lock(session, intake.ADMISSION_LOCK)
        task = book.find_task(session, task_id, booth_id)
        twins = (
            Task.order_id == task.order_id,
            Task.photo_sha256 == task.photo_sha256,
            Task.style == task.style,
            Task.options_key == task.options_key,
        )
        if session.scalar(select(Task.id).where(*twins, Task.status.in_(OPEN_TASK)).limit(1)) is not None:
            raise Conflict("This picture is still being made; another take has to wait for it.")
        intake.check_room(session, 1, self.bounds.queue_limit)
        take = (session.scalar(select(func.max(Task.take)).where(*twins)) or 0) + 1
        raise_version(session, task.order_id)
        fresh = intake.add_task(
            session,
            task.order_id,
            task.photo,
            style,
            choices,
            task.options,
            take=take,
            now=now_of(session),
            deadline_s=self.bounds.deadline_s,
            actor=actor,
        )
        self.forecast.promise(session, [fresh.id])
        audit.note(session, actor, "redo", f"task:{task_id}", new_task=fresh.task_id)
        return fresh.task_id

    def _cancel_task(self, session: Session, task_id: str, actor: str, booth_id: int | None) -> str:
        task = book.find_task(session, task_id, booth_id)
        if repairs.cancel_task(session, task.id, actor=actor):
            audit.note(session, actor, "cancel", f"task:{task_id}")
        return task.order.order_id

    def _cancel_order(self, session: Session, order_id: str, actor: str, booth_id: int | None) -> Order:
        order = book.load_order(session, order_id, booth_id)
        for task in order.tasks:
            if repairs.cancel_task(session, task.id, actor=actor):
                audit.note(session, actor, "cancel", f"task:{task.task_id}")
        return order

    def _renew_link(self, session: Session, order_id: str, actor: str) -> None:
        order = book.load_order(session, order_id)
        raise_version(session, order.id)  # locks the row: of two presses at once, the second counts on from the first
        session.refresh(order, ["link_number"])
        number = order.link_number + 1
        key = guest_key(self.signer.guest_token(order.uid, number))
        session.execute(update(Order).where(Order.id == order.id).values(link_number=number, guest_key=key))
        audit.note(session, actor, "new link", f"order:{order_id}", number=number)

    def _delete(self, session: Session, order_id: str, actor: str, booth_id: int | None) -> Erased:
        erased = erase_order(session, order_id, self.terms, actor=actor, booth_id=booth_id)
        for task_id in erased.canceled:
            audit.note(session, actor, "cancel", f"task:{task_id}")
        audit.note(session, actor, "delete", f"order:{order_id}")
        return erased
