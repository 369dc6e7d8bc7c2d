"""The tables of who may do what: booths and their keys, operators, and the audit of what operators did."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from jobs.database import Base, Moment


class Booth(Base):
    """A client machine. Of its key only the SHA-256 is kept; a revoked booth keeps its orders."""

    __tablename__ = "booths"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    key_sha256: Mapped[str | None] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)
    rate: Mapped[int | None]
    """Orders that it may send in a minute; None: BOOTH_RATE."""
    seen_at: Mapped[datetime | None] = mapped_column(Moment)
    heartbeat: Mapped[dict[str, Any] | None] = mapped_column(JSON)


class User(Base):
    """An operator."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(16))
    session_number: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(Moment)


class AuditEntry(Base):
    """Who did what, when, to what. Never deleted; only the detail is emptied when its subject is erased."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(Moment, index=True)
    actor: Mapped[str] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(100), index=True)
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)
