"""Files that no row names: what a stale worker or a killed upload left. Swept an hour after anybody touched them.

A season has hundreds of thousands of files, so they are asked about in batches, by indexed paths, and in a thread that
nothing else waits for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.database import Database
from jobs.media.storage import DiskStorage
from jobs.orders.models import Image, Photo

log = logging.getLogger(__name__)

ORPHAN_SECONDS = 3600.0
BATCH = 200


def sweep_orphans(database: Database, storage: DiskStorage, should_stop: Callable[[], bool]) -> None:
    """Remove files that no row names and that nobody touched for an hour. Raises DatabaseAway."""
    files = storage.list_older_than(ORPHAN_SECONDS)
    while (paths := list(islice(files, BATCH))) and not should_stop():
        known = database.read(list_known, paths)
        for path in paths:
            if path not in known:
                log.info("a file without a row is removed", extra={"path": path})
                storage.delete(path)


def list_known(session: Session, paths: list[str]) -> set[str | None]:
    """Those of the paths that rows name."""
    columns = (Photo.path, Image.path, Image.thumbnail_path)
    return {path for column in columns for path in session.scalars(select(column).where(column.in_(paths)))}
