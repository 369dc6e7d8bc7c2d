"""Taking an order in: lock, check, store the photos, count and insert in one transaction, commit, ring.

A 2xx is given only for what is on disk and committed. The lock keeps twins from doing the work twice; the unique
index decides. All photos of one submission are taken, or none.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import IntegrityError

from jobs.access.booths import BoothId
from jobs.access.links import Signer
from jobs.database import Database
from jobs.engine.changes import Announcer
from jobs.engine.locks import OrderLock
from jobs.errors import StorageFull, StyleUnknown
from jobs.forecast.forecast import Forecast
from jobs.media.images import prepare_photo
from jobs.media.storage import DiskStorage
from jobs.menu import Menu
from jobs.orders import intake
from jobs.orders.intake import Bounds, Request, StoredPhoto, Taken
from jobs.styles.ladder import Choice
from jobs.styles.options import check_options

log = logging.getLogger(__name__)

DISK_RETRY_SECONDS = 60
AFTER_TWIN_SECONDS = 0.5


@dataclass(frozen=True)
class Submission:
    """What a booth asks for: order id, style name, options as given, the photos' bytes."""

    order_id: str
    style: str
    options: dict[str, Any]
    photos: list[bytes]


@dataclass(frozen=True)
class Admission:
    """The intake."""

    database: Database
    storage: DiskStorage
    announcer: Announcer
    menu: Menu
    forecast: Forecast
    signer: Signer
    bounds: Bounds

    def admit(
        self,
        booth: BoothId,
        submission: Submission,
        *,
        while_waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> bool:
        """Take a submission in. False: all of it was there already and nothing was added.

        `while_waiting` is entered while a twin of this submission is waited for.

        Raises RequestError for what is wrong with it, FarmBusy when it cannot be taken now.
        """
        photos = {hashlib.sha256(photo).hexdigest(): photo for photo in submission.photos}
        request = self._check(booth, submission, tuple(photos))
        missing, choices = self.database.read(intake.look, request, self.menu.choose_rungs, self.bounds)
        if not missing:
            return False
        redis = None if self.announcer.is_redis_away else self.announcer.redis
        with OrderLock(redis, booth.id, submission.order_id, while_waiting) as lock:
            # Who had to wait for the lock will find what its holder has just taken in.
            if lock.waited and not (missing := self.database.read(intake.find_missing, request)):
                return False
            if not lock.held:
                # What was waited for a twin is missing from the 6 s in which a booth must hear of a locked database.
                self.database.check_writable(AFTER_TWIN_SECONDS)
            stored = self._store({digest: photos[digest] for digest in missing.fresh})
            taken: Taken | None = None
            try:
                taken = self._insert(request, choices, stored)
            finally:
                for photo in stored.values():
                    if taken is None or photo.path not in taken.paths:
                        self.storage.delete(photo.path)
        if taken is None:
            return False
        ids = {"order_id": submission.order_id, "task_ids": taken.task_ids}
        log.info("tasks accepted", extra=ids | {"style": submission.style, "booth": booth.name})
        return True

    def _check(self, booth: BoothId, submission: Submission, digests: tuple[str, ...]) -> Request:
        style = self.menu.shelf.get(submission.style)
        if style is None:
            raise StyleUnknown()
        return Request(booth, submission.order_id, style, check_options(style.options, submission.options), digests)

    def _store(self, photos: dict[str, bytes]) -> dict[str, StoredPhoto]:
        self.storage.check_room()
        prepared = {digest: prepare_photo(photo) for digest, photo in photos.items()}
        stored: dict[str, StoredPhoto] = {}
        try:
            for digest, encoded in prepared.items():
                stored[digest] = StoredPhoto(self.storage.write("photos", encoded.data), encoded)
        except OSError as exc:
            for photo in stored.values():
                self.storage.delete(photo.path)
            raise StorageFull(retry_after=DISK_RETRY_SECONDS) from exc
        return stored

    def _insert(self, request: Request, choices: list[Choice], stored: dict[str, StoredPhoto]) -> Taken | None:
        self.database.read(self.forecast.look)  # now, so that inside the transaction the new tasks need only be added
        rules = (self.signer, self.bounds, self.forecast.promise)
        try:
            return self.database.write(intake.insert, request, choices, stored, *rules)
        except IntegrityError:
            # The unique index found a twin that came past the lock; seen again, it is a duplicate.
            return self.database.write(intake.insert, request, choices, stored, *rules)
