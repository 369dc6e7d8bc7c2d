"""How many calls a provider gets in a minute, over all machines. Kept in Redis: wiping it forgives one minute."""

from __future__ import annotations

import logging
import time

from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis import Redis
from redis.exceptions import RedisError

from jobs.errors.steps import Busy

log = logging.getLogger(__name__)

PREFIX = "farm:windows"


class Windows:
    """The minutes of all providers."""

    def __init__(self, redis: Redis) -> None:
        storage = RedisStorage(
            "redis://", connection_pool=redis.connection_pool, key_prefix=PREFIX, wrap_exceptions=True
        )
        self._limiter = SlidingWindowCounterRateLimiter(storage)

    def take(self, provider: str, per_minute: int) -> None:
        """Count one call. Raises Busy, with the seconds until there is room again, when the minute is used up.

        Without Redis nothing is counted: the provider's own answer then says when it is too much.
        """
        item = RateLimitItemPerMinute(per_minute)
        try:
            if self._limiter.hit(item, provider):
                return
            reset_at = self._limiter.get_window_stats(item, provider).reset_time
        except (StorageError, RedisError, OSError) as exc:
            log.warning("a provider's minute was not counted", extra={"error": type(exc).__name__})
            return
        raise Busy(
            "The calls of this minute are used up.",
            retry_after=max(reset_at - time.time(), 1.0),
            detail=f"{per_minute} a minute",
            outcome="unsent",
        )
