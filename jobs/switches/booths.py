"""Booths and their keys as their owner changes them, each change with its audit. A key is in no log and no audit."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from sqlalchemy.orm import Session

from jobs.access import audit, booths
from jobs.database import Database
from jobs.errors import Conflict

log = logging.getLogger(__name__)
FASTEST = 600
"""Submissions a minute."""


@dataclass(frozen=True)
class BoothSwitches:
    """All but `add` raise NotFound for a booth that there is not."""

    database: Database

    def add(self, name: str, *, actor: str) -> str:
        """A new booth; returns its key. Raises Conflict for a name that is taken or not usable."""

        def write(session: Session) -> str:
            key = booths.create_booth(session, name)
            audit.note(session, actor, "create key", _subject(name))
            return key

        key = self.database.write(write)
        log.info("a booth was added", extra={"booth": name, "actor": actor})
        return key

    def rotate(self, name: str, *, actor: str) -> str:
        """A new key for a booth; the old one ends at once."""

        def write(session: Session) -> str:
            key = booths.rotate_key(session, name)
            audit.note(session, actor, "rotate key", _subject(name))
            return key

        key = self.database.write(write)
        log.info("a booth's key was rotated", extra={"booth": name, "actor": actor})
        return key

    def revoke(self, name: str, *, actor: str) -> None:
        """The booth's key ends at once."""

        def write(session: Session) -> None:
            booths.revoke_key(session, name)
            audit.note(session, actor, "revoke key", _subject(name))

        self.database.write(write)
        log.info("a booth's key was revoked", extra={"booth": name, "actor": actor})

    def set_rate(self, name: str, rate: int | None, *, actor: str) -> None:
        """How many orders it may send in a minute, 1 to 600; None: BOOTH_RATE. Raises Conflict for another number."""
        if rate is not None and not 1 <= rate <= FASTEST:
            raise Conflict(f"The rate must be between 1 and {FASTEST}.")

        def write(session: Session) -> None:
            booths.set_rate(session, name, rate)
            audit.note(session, actor, "rate", _subject(name), rate=rate)

        self.database.write(write)
        log.info("a booth's rate was set", extra={"booth": name, "rate": rate, "actor": actor})


def _subject(name: str) -> str:
    return f"booth:{name}"
