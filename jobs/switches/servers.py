"""Draining ComfyUI servers and returning them to work, while the farm runs."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from sqlalchemy.orm import Session

from jobs.access import audit
from jobs.comfyui import servers
from jobs.database import Database

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServerSwitches:
    """Each raises NotFound for a server that is not configured; pressed twice, the second press changes nothing."""

    database: Database

    def drain(self, url: str, *, actor: str) -> None:
        """It finishes what it has and gets nothing new."""

        def write(session: Session) -> None:
            if servers.drain(session, url, actor):
                audit.note(session, actor, "drain", audit.server_subject(url))

        self.database.write(write)
        log.info("a server is drained", extra={"server": url, "actor": actor})

    def give_back(self, url: str, *, actor: str) -> None:
        """It gets work again."""

        def write(session: Session) -> None:
            if servers.give_back(session, url):
                audit.note(session, actor, "return", audit.server_subject(url))

        self.database.write(write)
        log.info("a server is back at work", extra={"server": url, "actor": actor})
