"""Trying a style with one photo: an order like a guest's, of a booth that is the farm's own."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass

from sqlalchemy.orm import Session

from jobs.access import audit
from jobs.access.booths import BoothId
from jobs.access.trial_booth import ensure_trial_booth
from jobs.admission import Admission, Submission
from jobs.database import Database
from jobs.orders import book

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trials:
    """Needs what a booth's submission needs."""

    database: Database
    admission: Admission

    def start(self, style: str, photo: bytes, *, actor: str) -> str:
        """Have one picture made with the style's defaults; returns the task's public id.

        Raises what admission raises: StyleUnavailable, PhotoRejected, QueueFull and the like.
        """
        order_id = f"trial-{secrets.token_hex(6)}"

        def prepare(session: Session) -> BoothId:
            # Written down before anything is asked of anybody: a trial may cost money.
            audit.note(session, actor, "trial", f"style:{style}"[:100], order=order_id)
            return ensure_trial_booth(session)

        booth = self.database.write(prepare)
        self.admission.admit(booth, Submission(order_id, style, {}, [photo]))
        task_id = self.database.read(book.load_order, order_id).tasks[0].task_id
        log.info("a style is tried", extra={"style": style, "order_id": order_id, "task_id": task_id, "actor": actor})
        return task_id
