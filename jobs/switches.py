"""What operators switch while the farm runs: a cloud provider paused, tried again, given another budget.

Each is a change, its audit, and the waiting workers' being told, in one transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from jobs.access import audit
from jobs.cloud import brake
from jobs.cloud.provider import Provider
from jobs.database import Database, outbox_of
from jobs.errors import NotFound
from jobs.orders import pauses

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Switches:
    """All of them. Each raises NotFound for a provider that there is not."""

    database: Database
    providers: Mapping[str, Provider]

    def pause_provider(self, name: str, *, actor: str) -> None:
        """No new call until somebody resumes it. What was sent is followed to its end."""
        self._change(name, "pause", actor, lambda session: brake.stop(session, name, actor))

    def resume_provider(self, name: str, *, actor: str) -> None:
        """End any pause of it now; one call goes first, the others follow as it succeeds."""
        self._change(name, "resume", actor, lambda session: pauses.resume(session, brake.scope_of(name)))

    def set_budget(self, name: str, budget: float | None, *, actor: str) -> None:
        """What its calls of one day may cost; None: what the settings say."""
        self._change(name, "budget", actor, lambda session: brake.set_budget(session, name, budget), budget=budget)

    def _change(self, name: str, action: str, actor: str, change: Callable[[Session], None], **detail: Any) -> None:
        if name not in self.providers:
            raise NotFound()

        def write(session: Session) -> None:
            change(session)
            audit.note(session, actor, action, f"provider:{name}", **detail)
            outbox_of(session).room.add("api")

        self.database.write(write)
        log.info("a provider was switched", extra={"provider": name, "action": action, "actor": actor, **detail})
