"""Booths and their keys. A key is 256 random bits, shown once; the database keeps its SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs.access.models import Booth
from jobs.database import now_of
from jobs.errors import Conflict, NotAuthenticated, NotFound

BOOTH_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
KEY_FORM = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class BoothId:
    """Which booth is asking. `rate`: how many orders it may send in a minute, where it is not BOOTH_RATE."""

    id: int
    name: str
    rate: int | None = None


def create_booth(session: Session, name: str) -> str:
    """Add a booth; returns its key. Raises Conflict when the name is taken or not usable."""
    if not BOOTH_NAME.fullmatch(name):
        raise Conflict("A booth's name has 1 to 64 letters, digits, - or _, and starts with a letter or digit.")
    if session.scalar(select(Booth.id).where(Booth.name == name)) is not None:
        raise Conflict("There is a booth of this name already. Give it a new key instead.")
    key = _new_key()
    session.add(Booth(name=name, key_sha256=_digest(key), created_at=now_of(session)))
    return key


def rotate_key(session: Session, name: str) -> str:
    """Give a booth a new key; the old one ends at once. Raises NotFound."""
    booth = _find(session, name)
    key = _new_key()
    booth.key_sha256, booth.revoked_at = _digest(key), None
    return key


def revoke_key(session: Session, name: str) -> None:
    """End a booth's key at once. Raises NotFound."""
    booth = _find(session, name)
    booth.key_sha256, booth.revoked_at = None, now_of(session)


def set_rate(session: Session, name: str, rate: int | None) -> None:
    """How many orders a booth may send in a minute; None: BOOTH_RATE. Raises NotFound."""
    _find(session, name).rate = rate


def authenticate(session: Session, key: str) -> BoothId:
    """The booth that a key belongs to. Raises NotAuthenticated."""
    if not KEY_FORM.fullmatch(key):
        raise NotAuthenticated()
    digest = _digest(key)
    booth = session.scalar(select(Booth).where(Booth.key_sha256 == digest))
    if booth is None or not hmac.compare_digest(booth.key_sha256 or "", digest):
        raise NotAuthenticated()
    return BoothId(booth.id, booth.name, booth.rate)


def note_heartbeat(session: Session, booth: BoothId, report: dict[str, Any]) -> datetime:
    """Keep what a booth says of itself; returns the server's time."""
    now = now_of(session)
    session.execute(update(Booth).where(Booth.id == booth.id).values(seen_at=now, heartbeat=report))
    return now


def _find(session: Session, name: str) -> Booth:
    booth = session.scalar(select(Booth).where(Booth.name == name))
    if booth is None:
        raise NotFound(f"There is no booth {name}.")
    return booth


def _new_key() -> str:
    return secrets.token_urlsafe(32)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
