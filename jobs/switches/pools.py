"""What is begun at all, while the farm runs: limits and pauses of the resources, and the intake of orders."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from sqlalchemy.orm import Session

from jobs.access import audit
from jobs.database import Database, advisory_lock, outbox_of
from jobs.errors import NotFound
from jobs.orders import calls, limits, pauses
from jobs.orders.intake import ADMISSION_LOCK
from jobs.resources import RESOURCES
from jobs.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PoolSwitches:
    """Those with a resource raise NotFound for one that there is not."""

    database: Database
    settings: Settings

    def set_limit(self, resource: str, limit: int, *, actor: str) -> None:
        """How many calls may be in flight, from 1 to what the settings allow. Raises Conflict for another number."""
        _check(resource)

        def write(session: Session) -> None:
            before = limits.set_limit(session, resource, limit, self.settings.limit_of(resource))
            audit.note(session, actor, "limit", pauses.resource_scope(resource), before=before, limit=limit)

        self.database.write(write)
        log.info("a limit was set", extra={"resource": resource, "limit": limit, "actor": actor})

    def pause(self, resource: str, *, why: str, minutes: int | None, actor: str) -> None:
        """Nothing new of it begins; what is in flight is finished. `minutes` None: until somebody resumes it."""
        _check(resource)
        self._pause(pauses.resource_scope(resource), resource, why, minutes, actor)

    def resume(self, resource: str, *, actor: str) -> None:
        """Its work goes on at once."""
        _check(resource)
        self._resume(pauses.resource_scope(resource), resource, actor)

    def pause_intake(self, *, why: str, minutes: int | None, actor: str) -> None:
        """No new orders; what was taken is made. `minutes` None: until somebody resumes it."""
        self._pause(pauses.INTAKE, None, why, minutes, actor)

    def resume_intake(self, *, actor: str) -> None:
        """Orders are taken again."""
        self._resume(pauses.INTAKE, None, actor)

    def _pause(self, scope: str, resource: str | None, why: str, minutes: int | None, actor: str) -> None:
        def write(session: Session) -> None:
            # Once this is committed nobody begins, or takes in, what they saw before it.
            if resource is not None:
                calls.lock_slots(session, resource)
            else:
                advisory_lock(session, ADMISSION_LOCK)
            pauses.pause_anew(session, scope, why, None if minutes is None else 60.0 * minutes, actor=actor)
            audit.note(session, actor, "pause", scope, why=why, minutes=minutes)

        self.database.write(write)
        log.info("a pause began", extra={"scope": scope, "minutes": minutes, "actor": actor})

    def _resume(self, scope: str, resource: str | None, actor: str) -> None:
        def write(session: Session) -> None:
            if pauses.find_pause(session, scope) is None:
                return
            pauses.resume(session, scope)
            audit.note(session, actor, "resume", scope)
            if resource is not None:
                outbox_of(session).room.add(resource)

        self.database.write(write)
        log.info("a pause was ended", extra={"scope": scope, "actor": actor})


def _check(resource: str) -> None:
    if resource not in RESOURCES:
        raise NotFound("There is no such resource.")
