"""Reading what RQ knows of workers. Writes nothing; every answer is empty while Redis is away."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError

from jobs.engine.rings import queue_of
from jobs.engine.worker import FarmWorker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerCount:
    """Workers of a resource: alive, and busy with a ring."""

    workers: int
    busy: int


def count_workers(redis: Redis, resource: str) -> WorkerCount:
    """Live workers that listen on a resource's queue, from RQ's registry."""
    try:
        queue = queue_of(resource, redis)
        keys = FarmWorker.all_keys(queue=queue)
        with redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hget(key, "state")
                pipe.exists(key)
            answers = pipe.execute()
    except (RedisError, OSError) as exc:
        log.debug("workers cannot be counted", extra={"error": type(exc).__name__})
        return WorkerCount(0, 0)
    states = [state for state, there in zip(answers[::2], answers[1::2], strict=True) if there]
    return WorkerCount(len(states), sum(state == b"busy" for state in states))
