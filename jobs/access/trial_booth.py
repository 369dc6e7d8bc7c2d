"""The booth that the farm itself is when operators try a style: without a key, under a name that no booth can have."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.access.booths import BoothId
from jobs.access.models import Booth
from jobs.database import advisory_lock, now_of

TRIAL_BOOTH = "(trial)"
TRIAL_LOCK = 0x6661726D07


def ensure_trial_booth(session: Session) -> BoothId:
    """That booth, made when it is first needed."""
    advisory_lock(session, TRIAL_LOCK)
    booth = session.scalar(select(Booth).where(Booth.name == TRIAL_BOOTH))
    if booth is None:
        booth = Booth(name=TRIAL_BOOTH, created_at=now_of(session))
        session.add(booth)
        session.flush()
    return BoothId(booth.id, booth.name)
