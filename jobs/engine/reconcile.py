"""The reconciler: compares what should be with what is, and repairs. Two at once are harmless.

Every 2 s claims that ran out, waits that are over, deadlines; every 3 s the rings. Each ComfyUI server and its host are
looked after in threads of their own, and so are the providers' calls, since servers and providers may hang; files
without rows and what is owed of deleted orders too, since there may be much of it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from jobs.cloud.care import CallCare
from jobs.comfyui import servers
from jobs.comfyui.care import ServerCare
from jobs.database import Database, now_of, outbox_of
from jobs.engine import rings
from jobs.engine.changes import RECONCILE_CHANNEL, Listener
from jobs.engine.ladder import Ladder
from jobs.engine.orphans import sweep_orphans
from jobs.engine.retries import REASONS
from jobs.engine.stopping import StopFlag
from jobs.erasure import owed
from jobs.erasure.eraser import Eraser
from jobs.erasure.hosts import HostCare
from jobs.erasure.retention import Retention
from jobs.errors import ClaimLost, DatabaseAway
from jobs.media.storage import DiskStorage
from jobs.orders import calls, pauses, repairs, rungs, tallies
from jobs.orders.models import Step, Task
from jobs.resources import RESOURCES
from jobs.settings import Settings

log = logging.getLogger(__name__)

ACTOR = "reconciler"
FILES_SECONDS = 600.0
RETENTION_SECONDS = 60.0
TALLY_SECONDS = 5.0
TALLY_AT_ONCE_SECONDS = 1.0
LISTEN_SECONDS = 1.0
LISTENER_END_SECONDS = 5.0


class Reconciler:
    """Runs until `stop` is set."""

    def __init__(
        self,
        database: Database,
        redis: Redis,
        storage: DiskStorage,
        ladder: Ladder,
        eraser: Eraser,
        retention: Retention,
        settings: Settings,
    ) -> None:
        self._database = database
        self._ladder = ladder
        self._redis = redis
        self._storage = storage
        self._eraser = eraser
        self._retention = retention
        self._settings = settings
        self._wake = threading.Event()
        self.stop = StopFlag()
        self._rung_again = 0
        self._trust_claims_at = time.monotonic() + settings.claim_s
        self._last_round = time.monotonic()

    def run(self) -> None:
        """The rounds, one after the other."""
        if self._settings.comfyui_urls:  # one that was started without them must not take them from the others
            self._database.write(servers.sync_servers, self._settings.comfyui_urls)
        cares = [ServerCare(self._database, self._settings, url).look_after for url in self._settings.comfyui_urls]
        hosts = [HostCare(self._database, self._settings, url).look_after for url in self._settings.comfyui_urls]
        for look_after in (*cares, *hosts, CallCare(self._database, self._settings).look_after):
            threading.Thread(target=self._care, args=(look_after,), name="care", daemon=True).start()
        listener = threading.Thread(target=self._listen, name="reconcile-listener", daemon=True)
        listener.start()
        threading.Thread(target=self._sweep_files, name="orphans", daemon=True).start()
        threading.Thread(target=self._erase, name="erasures", daemon=True).start()
        threading.Thread(target=self._retain, name="retention", daemon=True).start()
        next_rings = next_tally = time.monotonic()
        while not self.stop.is_set():
            self._guard(self.sweep)
            now = time.monotonic()
            if now >= next_rings:
                self._guard(self.compare_rings)
                next_rings = now + self._settings.ring_s
            elif self._epoch_is_missing():
                self._guard(self.compare_rings)
            if now >= next_tally:
                self._guard(self.roll_up)
                next_tally = now + TALLY_SECONDS
            self.stop.wait(min(self._settings.sweep_s, self._settings.ring_s))
        # Its connection is closed next. A thread that fails while the interpreter ends makes that end an abort.
        listener.join(LISTENER_END_SECONDS)

    def sweep(self) -> None:
        """S7, S8, S10 and S12 for whatever is due for them; pauses that are over; calls at servers that are gone."""
        if time.monotonic() - self._last_round > self._settings.claim_s / 2:
            self._distrust_claims()  # we were away ourselves, and so perhaps was everybody's way to the database
        if time.monotonic() >= self._trust_claims_at:
            for step_id in self._database.read(repairs.list_expired):
                self._repair(repairs.release_step, step_id, actor=ACTOR, reason=REASONS["poison"])
        for step_id in self._database.read(repairs.list_due_retries):
            self._repair(repairs.requeue_step, step_id, actor=ACTOR)
        for task_id in self._database.read(repairs.list_past_deadline):
            self._repair(repairs.expire_task, task_id, actor=ACTOR, reason=REASONS["deadline"])
        for change in self._database.read(self._ladder.list_changes):
            self._repair(
                rungs.change_over,
                change.step_id,
                attempt=change.attempt,
                rung=change.rung,
                why=change.why,
                actor=ACTOR,
            )
        self._database.write(end_pauses)
        self._database.write(close_unanswerable, self._settings)
        self._last_round = time.monotonic()

    def compare_rings(self) -> None:
        """Ring for due steps that nobody may have rung for: rings are lost, steps are not."""
        try:
            rings.epoch_is_missing(self._redis)
            for resource in RESOURCES:
                due = self._database.read(list_due_steps, resource)
                missing = len(due) - rings.count_rings(self._redis, resource) if due else 0
                for step_id, attempt in due[: max(missing, 0)]:
                    rings.ring(self._redis, resource, step_id, attempt)
                if missing > 0:
                    self._rung_again += missing
                    log.info("rang again", extra={"resource": resource, "rings": missing})
        except (RedisError, OSError) as exc:
            log.warning("rings cannot be compared: Redis is away", extra={"error": type(exc).__name__})

    def erase(self) -> None:
        """Work off what is owed of deleted orders; a large heap of it within one round."""
        while self._eraser.work_off() and not self.stop.is_set():
            pass

    def retain(self) -> None:
        """Erase what is too old, which may be much; close what is owed where nobody is asked."""
        self._database.write(owed.end_waits, self._settings.comfyui_urls)
        while self._retention.keep_limit(self.stop.wait):
            pass

    def roll_up(self) -> None:
        """Count what happened since the last round; after an upgrade a share of what is there, round by round."""
        until = time.monotonic() + TALLY_AT_ONCE_SECONDS
        rung, self._rung_again = self._rung_again, 0
        has_more = self._database.write(tallies.roll_up, {("repairs", ("ring",)): float(rung)} if rung else None)
        while has_more and time.monotonic() < until and not self.stop.is_set():
            has_more = self._database.write(tallies.roll_up)

    def _repair(self, move: Callable[..., Any], row_id: int, **kwargs: Any) -> None:
        try:
            ids = self._database.write(move, row_id, **kwargs)
        except ClaimLost:
            return  # it moved on by itself
        log.info("repaired", extra={"repair": move.__name__, **ids})

    def _guard(self, round_: Callable[[], None]) -> None:
        try:
            round_()
        except DatabaseAway:
            log.warning("the reconciler waits: the database is away")
            self._distrust_claims()
        except Exception:  # the reconciler must outlive its own defects, loudly
            log.exception("a round of the reconciler failed")

    def _distrust_claims(self) -> None:
        self._trust_claims_at = time.monotonic() + self._settings.claim_s

    def _epoch_is_missing(self) -> bool:
        try:
            return not self._redis.exists(rings.EPOCH_KEY)
        except (RedisError, OSError):
            return False

    def _care(self, look_after: Callable[[], None]) -> None:
        while not self.stop.is_set():
            self._guard(look_after)
            self._wake.wait(self._settings.probe_s)

    def _sweep_files(self) -> None:
        while not self.stop.is_set():
            self._guard(lambda: sweep_orphans(self._database, self._storage, self.stop.is_set))
            self.stop.wait(FILES_SECONDS)

    def _erase(self) -> None:
        while not self.stop.is_set():
            self._guard(self.erase)
            self.stop.wait(self._settings.sweep_s)

    def _retain(self) -> None:
        while not self.stop.wait(RETENTION_SECONDS):
            self._guard(self.retain)

    def _listen(self) -> None:
        listener = Listener(self._redis, RECONCILE_CHANNEL)
        while not self.stop.is_set():
            if listener.wait(min(self._settings.probe_s, LISTEN_SECONDS)):
                self._wake.set()
                self._wake.clear()
        listener.close()


def list_due_steps(session: Session, resource: str) -> list[tuple[int, int]]:
    """(step id, attempt) of steps that wait for a worker, in the order in which they will be taken."""
    now = now_of(session)
    paused = pauses.list_paused(session, now).keys()
    rows = session.execute(
        select(Step.id, Step.attempt, Step.position, Step.rung, Step.provider, Task.style)
        .join(Task, Task.id == Step.task_id)
        .where(
            Step.resource == resource,
            Step.status == "queued",
            or_(Step.not_before.is_(None), Step.not_before <= now),
            Task.deadline_at > now,
        )
        .order_by(Step.task_id, Step.position)
    )
    return [
        (step_id, attempt)
        for step_id, attempt, position, rung, provider, style in rows
        if not paused & pauses.scopes_of(resource, provider, style, position, rung)
    ]


def end_pauses(session: Session) -> None:
    """Drop pauses that are over, and have waiting workers look."""
    for scope in pauses.drop_ended(session):
        log.info("a pause ended", extra={"scope": scope})
        outbox_of(session).room.update(RESOURCES)


def close_unanswerable(session: Session, settings: Settings) -> None:
    """Close as unknown what nobody can be asked about: closing calls of servers that are no longer configured."""
    now = now_of(session)
    for call in calls.list_closing(session, "comfyui"):
        gone = call.server not in settings.comfyui_urls
        if gone and call.closing_at and call.closing_at < now - timedelta(seconds=settings.silent_s):
            calls.close_alone(session, call.id, now, outcome="unknown", actor=ACTOR)
