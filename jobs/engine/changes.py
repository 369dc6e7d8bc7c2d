"""Telling the world through Redis: progress of tasks, orders that changed, resources where room appeared.

All of it is an extra. Whoever listens also looks into the database now and then, so that Redis may be away or wiped.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from jobs.database import Outbox
from jobs.engine import rings

log = logging.getLogger(__name__)

CHANGES_CHANNEL = "farm:changes"
RECONCILE_CHANNEL = "farm:wake:reconcile"
PROGRESS_TTL_SECONDS = 3600
LEAVE_ALONE_SECONDS = 2.0
JOIN_SECONDS = 5.0


def wake_channel(resource: str) -> str:
    """Where room of a resource is announced."""
    return f"farm:wake:{resource}"


def progress_key(task_id: int) -> str:
    """Where the progress of a task is kept."""
    return f"farm:progress:{task_id}"


class Announcer:
    """Rings and publishes after a commit. Redis being away is noted and left to the reconciler to repair."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._away_until = 0.0

    @property
    def is_redis_away(self) -> bool:
        """Did Redis fail within the last 2 s? Then it is left alone, so that nobody waits for it again and again."""
        return time.monotonic() < self._away_until

    def announce(self, outbox: Outbox) -> None:
        """Tell what a transaction put into its outbox. Never raises."""
        if self.is_redis_away:
            return
        try:
            for resource, step_id, attempt in outbox.due:
                rings.ring(self.redis, resource, step_id, attempt)
            resources = outbox.room | {resource for resource, _, _ in outbox.due}
            with self.redis.pipeline(transaction=False) as pipe:
                for resource in resources:
                    pipe.publish(wake_channel(resource), "room")
                for order_id in outbox.changed:
                    pipe.publish(CHANGES_CHANNEL, json.dumps({"order": order_id}))
                if outbox.closing:
                    pipe.publish(RECONCILE_CHANNEL, "closing")
                pipe.execute()
        except RedisError as exc:
            self.note_away(exc)

    def report_progress(self, order_id: int, task_id: int, value: float, stage: str) -> None:
        """Keep and publish how far a task is. Never raises."""
        if self.is_redis_away:
            return
        document = json.dumps({"value": round(value, 3), "stage": stage})
        try:
            with self.redis.pipeline(transaction=False) as pipe:
                pipe.set(progress_key(task_id), document, ex=PROGRESS_TTL_SECONDS)
                pipe.publish(CHANGES_CHANNEL, json.dumps({"order": order_id, "progress": True}))
                pipe.execute()
        except RedisError as exc:
            self.note_away(exc)

    def read_progress(self, task_ids: list[int]) -> dict[int, dict[str, Any]]:
        """The progress of tasks that have one. Never raises."""
        if not task_ids or self.is_redis_away:
            return {}
        try:
            values = self.redis.mget([progress_key(task_id) for task_id in task_ids])
        except RedisError as exc:
            self.note_away(exc)
            return {}
        return {task_id: json.loads(value) for task_id, value in zip(task_ids, values, strict=True) if value}

    def forget_progress(self, task_ids: Iterable[int]) -> bool:
        """Remove the progress of tasks; whether it is certainly gone. Never raises."""
        keys = [progress_key(task_id) for task_id in task_ids]
        if not keys:
            return True
        if self.is_redis_away:
            return False
        try:
            self.redis.delete(*keys)
        except RedisError as exc:
            self.note_away(exc)
            return False
        return True

    def note_away(self, exc: Exception) -> None:
        """Redis failed: leave it alone for 2 s."""
        self._away_until = time.monotonic() + LEAVE_ALONE_SECONDS
        log.warning("Redis is away; the database goes on", extra={"error": type(exc).__name__})


class Listener:
    """Waits for messages of Redis channels, or for time to pass. For one thread."""

    def __init__(self, redis: Redis, *channels: str) -> None:
        self._redis = redis
        self._channels = channels
        self._pubsub: Any = None

    def wait(self, seconds: float) -> list[str]:
        """Messages that came, after at most `seconds`; without Redis, an empty list after that time."""
        until = time.monotonic() + seconds
        try:
            if self._pubsub is None:
                self._pubsub = self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]  # theirs
                self._pubsub.subscribe(*self._channels)
            messages: list[str] = []
            while not messages and (left := until - time.monotonic()) > 0:
                message = self._pubsub.get_message(timeout=left)
                while message is not None:
                    messages.append(message["data"].decode())
                    message = self._pubsub.get_message(timeout=0)
            return messages
        except (RedisError, OSError):
            self.close()
            time.sleep(max(until - time.monotonic(), 0.0))
            return []

    def close(self) -> None:
        """Give back the connection."""
        if self._pubsub is not None:
            try:
                self._pubsub.close()
            except (RedisError, OSError):
                log.debug("a listener's connection was gone already")
            self._pubsub = None


@dataclass
class Followed:
    """An order that somebody follows in this process."""

    changed: threading.Condition
    followers: int = 0
    version: int = 0
    progress: int = 0


class Watcher:
    """Wakes the followers of orders in one process: one thread, one query a second at most, whatever their number."""

    LOOK_SECONDS = 1.0

    def __init__(self, redis: Redis, read_versions: Callable[[list[int]], dict[int, int]]) -> None:
        """`read_versions(order ids)` asks the database for the versions of these orders."""
        self._listener = Listener(redis, CHANGES_CHANNEL)
        self._read_versions = read_versions
        self._lock = threading.Lock()
        self._followed: dict[int, Followed] = {}
        self._thread: threading.Thread | None = None
        self._stopping = False

    def follow(self, order_id: int, *, seats: int) -> bool:
        """Somebody waits for this order from now on; ends with `leave`. False when so many follow already."""
        with self._lock:
            if sum(entry.followers for entry in self._followed.values()) >= seats:
                return False
            # A condition for each order: news of one must not wake the followers of all others.
            entry = self._followed.setdefault(order_id, Followed(threading.Condition(self._lock)))
            entry.followers += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
                self._thread.start()
            return True

    def leave(self, order_id: int) -> None:
        """The counterpart of `follow`."""
        with self._lock:
            entry = self._followed[order_id]
            entry.followers -= 1
            if not entry.followers:
                del self._followed[order_id]

    def count(self) -> int:
        """How many follow."""
        with self._lock:
            return sum(entry.followers for entry in self._followed.values())

    def wait(self, order_id: int, version: int, progress: int | None, seconds: float) -> tuple[int, int]:
        """Return when the order's version is above `version` or its progress count differs, or after `seconds`.

        `progress` None: progress is no news. Returns (the latest version seen, progress count).
        """
        with self._lock:
            entry = self._followed[order_id]

            def has_news() -> bool:
                moved = progress is not None and entry.progress != progress
                return entry.version > version or moved or self._stopping

            entry.changed.wait_for(has_news, timeout=seconds)
            return max(entry.version, version), entry.progress

    def stop(self) -> None:
        """Let every follower go. Takes no lock: a signal handler calls it, and may have interrupted a holder."""
        self._stopping = True

    def join(self) -> None:
        """Wait until the thread has let go of its connection, which is closed next; after `stop`, not in a handler."""
        if self._thread is not None:
            self._thread.join(JOIN_SECONDS)

    @property
    def stopping(self) -> bool:
        """Has `stop` been called?"""
        return self._stopping

    def _watch(self) -> None:
        looked_at = 0.0
        while not self._stopping:
            changed, progressed = _read_messages(self._listener.wait(self.LOOK_SECONDS))
            with self._lock:
                ask = [order_id for order_id in self._followed if order_id in changed]
                if time.monotonic() - looked_at >= self.LOOK_SECONDS:
                    ask, looked_at = list(self._followed), time.monotonic()
            versions: dict[int, int] = {}
            if ask:
                try:
                    versions = self._read_versions(ask)
                except Exception as exc:  # the thread must outlive a database that is away
                    log.warning("the watcher could not look", extra={"error": type(exc).__name__})
            with self._lock:
                for order_id in (versions.keys() | progressed) & self._followed.keys():
                    entry = self._followed[order_id]
                    entry.version = max(entry.version, versions.get(order_id, 0))
                    entry.progress += order_id in progressed
                    entry.changed.notify_all()
        with self._lock:
            for entry in self._followed.values():
                entry.changed.notify_all()


def _read_messages(messages: list[str]) -> tuple[set[int], set[int]]:
    changed: set[int] = set()
    progressed: set[int] = set()
    for message in messages:
        document = json.loads(message)
        (progressed if document.get("progress") else changed).add(document["order"])
    return changed, progressed
