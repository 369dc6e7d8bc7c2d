"""The order lock: SET NX with owner and life time. It keeps identical submissions from doing the same work twice.

It only saves work; the unique index decides. Without Redis there is no lock and nothing is lost.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType

from redis import Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

LOCK_TTL_MS = 30_000
WAIT_SECONDS = 3.0
LOOK_SECONDS = 0.02
# Only the owner may release: the lock may have run out and belong to another by now.
RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"


def lock_key(booth_id: int, order_id: str) -> str:
    """The Redis key of an order's lock."""
    return f"farm:order:{booth_id}:{order_id}"


class OrderLock:
    """Held while entered, if it could be had within 3 s; entering never fails."""

    def __init__(
        self,
        redis: Redis | None,
        booth_id: int,
        order_id: str,
        while_waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """`redis` None: Redis is known to be away, do not wait for it.

        `while_waiting` is entered while another has the lock.
        """
        self._while_waiting = while_waiting
        self._redis = redis
        self._key = lock_key(booth_id, order_id)
        self._owner = uuid.uuid4().hex
        self.held = False
        self.waited = False
        """Was somebody else seen holding it, or can nobody tell?"""

    def __enter__(self) -> OrderLock:
        if self._redis is None:
            self.waited = True
            return self
        until = time.monotonic() + WAIT_SECONDS
        try:
            self.held = self._try()
            if not self.held:
                self.waited = True
                with self._while_waiting():
                    while not self.held and time.monotonic() < until:
                        time.sleep(LOOK_SECONDS)
                        self.held = self._try()
        except RedisError:
            self.waited = True
            log.info("an order is taken without its lock: Redis is away")
        return self

    def _try(self) -> bool:
        return bool(self._redis and self._redis.set(self._key, self._owner, nx=True, px=LOCK_TTL_MS))

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._redis is None or not self.held:
            return
        try:
            self._redis.eval(RELEASE, 1, self._key, self._owner)
        except RedisError:
            log.info("an order's lock is left to run out: Redis is away")
