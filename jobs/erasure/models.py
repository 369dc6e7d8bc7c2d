"""The table of what is owed of deleted orders. Columns only: owed.py reads and moves them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from jobs.database import Base, Moment


class Erasure(Base):
    """What still lies of one deleted order at one place. Written by the deletion itself."""

    __tablename__ = "erasures"
    __table_args__ = (
        Index(
            "ix_erasures_owed",
            "again_at",
            sqlite_where=text("done_at IS NULL"),
            postgresql_where=text("done_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    place: Mapped[str] = mapped_column(String(16))
    """storage, progress or comfyui."""
    server: Mapped[str | None] = mapped_column(String(200))
    """comfyui: whose host."""
    names: Mapped[list[str]] = mapped_column(JSON)
    """storage: paths; progress: row ids of tasks; comfyui: ids of prompts. Emptied when done."""
    since: Mapped[datetime] = mapped_column(Moment)
    settles_at: Mapped[datetime] = mapped_column(Moment)
    """Until then a worker that has not noticed may bring something back, so that only a later look is the last."""
    ends_at: Mapped[datetime | None] = mapped_column(Moment)
    """comfyui: when its host has removed it for its age, asked or not."""
    again_at: Mapped[datetime] = mapped_column(Moment)
    looks: Mapped[int] = mapped_column(default=0)
    why: Mapped[str | None] = mapped_column(String(100))
    """What kept the last look from being the last."""
    done_at: Mapped[datetime | None] = mapped_column(Moment)
