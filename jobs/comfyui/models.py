"""The tables of ComfyUI servers: each server's health, and the catalogs of nodes and models that servers offer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from jobs.database import Base, Moment


class Server(Base):
    """A ComfyUI server. `url` is its name everywhere; a row is never deleted, only no longer configured."""

    __tablename__ = "servers"

    url: Mapped[str] = mapped_column(String(200), primary_key=True)
    configured: Mapped[bool] = mapped_column(default=True)
    drained: Mapped[bool] = mapped_column(default=False)
    """Finishes what it has and gets nothing new, until an operator returns it."""
    drained_at: Mapped[datetime | None] = mapped_column(Moment)
    drained_by: Mapped[str | None] = mapped_column(String(100))
    set_aside_at: Mapped[datetime | None] = mapped_column(Moment)
    why: Mapped[str | None] = mapped_column(String(300))
    stuck_prompt: Mapped[str | None] = mapped_column(String(100))
    """Set aside as a zombie: the prompt that sat at the head of its queue. It is back when that one is gone."""
    catalog_id: Mapped[str | None] = mapped_column(String(64))
    seen_at: Mapped[datetime | None] = mapped_column(Moment)
    sweeper_seen_at: Mapped[datetime | None] = mapped_column(Moment)
    """When the sweeper of its host last answered well."""
    sweeper_silent_at: Mapped[datetime | None] = mapped_column(Moment)
    """Since when it has not; `sweeper_why` says what happens instead."""
    sweeper_why: Mapped[str | None] = mapped_column(String(100))
    copies_oldest_at: Mapped[datetime | None] = mapped_column(Moment)
    """How old the oldest copy of a guest's picture was on its host; None where there was none."""
    copies: Mapped[int | None]
    copies_bytes: Mapped[int | None] = mapped_column(BigInteger)


class Catalog(Base):
    """What a server can run, from its /object_info: node class -> input -> allowed values, where it names them."""

    __tablename__ = "catalogs"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    document: Mapped[dict[str, Any]] = mapped_column(JSON)
