"""After the storm: is everything whole again, has everything ended?"""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.database import Database
from jobs.errors import DatabaseAway
from jobs.orders.models import Call, Task
from scripts.storming.booths import Booths
from scripts.storming.place import API_WORKERS, COMFYUI_WORKERS, Place

SIZES = {"comfyui": COMFYUI_WORKERS, "api": API_WORKERS}
LOOK_SECONDS = 0.25
OPEN = ("queued", "running")


def count_open(session: Session) -> dict[str, int]:
    """Tasks that have not ended and calls that are not closed."""
    tasks = session.scalar(select(func.count()).select_from(Task).where(Task.status.in_(OPEN)))
    calls = session.scalar(select(func.count()).select_from(Call).where(Call.state != "closed"))
    return {"open tasks": tasks or 0, "unclosed calls": calls or 0}


def wait_until_drained(place: Place, booths: Booths, *, seconds: float, tell: Callable[[str], None]) -> list[str]:
    """What is still not as it should be after at most so long; empty when all has ended and everything runs."""
    database = Database(place.store.url)
    until = time.monotonic() + seconds
    try:
        while True:
            left = _find_left(database, place, booths)
            tell(", ".join(left))
            if not left or time.monotonic() > until:
                return left
            time.sleep(LOOK_SECONDS)
    finally:
        database.dispose()


def _find_left(database: Database, place: Place, booths: Booths) -> list[str]:
    try:
        counts = database.read(count_open)
    except DatabaseAway:
        return ["the database is away"]
    left = [f"{count} {what}" for what, count in counts.items() if count]
    if not booths.are_done():
        left.append("booths still wait")
    if left:
        return left
    if place.processes is not None:
        left += [f"missing: {name}" for name in place.processes.missing(SIZES)]
    return left if place.is_ready() else [*left, "the web tier is not ready"]
