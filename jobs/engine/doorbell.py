"""How Redis is: whether it answers, and whether it takes what is written. One that is full answers every PING."""

from __future__ import annotations

from typing import Literal

from redis import Redis
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError

RedisState = Literal["ok", "away", "full", "read_only"]
PROBE_KEY = "farm:probe"
PROBE_TTL_SECONDS = 60


def ask_redis(redis: Redis) -> RedisState:
    """Write something small. `read_only` also stands for a Redis that refuses writes for another reason of its own,
    such as a disk that it cannot save to. Never raises.
    """
    try:
        redis.set(PROBE_KEY, "1", ex=PROBE_TTL_SECONDS)
    except OutOfMemoryError:
        return "full"
    except ResponseError:
        return "read_only"
    except (RedisError, OSError):
        return "away"
    return "ok"
