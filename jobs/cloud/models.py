"""The table of the brake. Its rows are what all workers on all machines go by, so a wiped Redis forgets nothing."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from jobs.database import Base, Moment


class Brake(Base):
    """What is known of one provider and its key. The pause itself is a row of `pauses`."""

    __tablename__ = "brakes"

    provider: Mapped[str] = mapped_column(String(32), primary_key=True)
    allowed: Mapped[int | None]
    """Calls that may be in flight while it is tried again after a pause; None: as many as its limit says."""
    failures: Mapped[int] = mapped_column(default=0)
    """Passing failures since `failed_since`; the breaker counts them."""
    failed_since: Mapped[datetime | None] = mapped_column(Moment)
    budget: Mapped[float | None]
    """What an operator allows it to cost in a day; None: what the settings say."""
