"""Faults of Redis, and the buttons of rq-dashboard. Nothing that happens there may cost more than seconds."""

from __future__ import annotations

import random

from scripts.storming.place import Place
from scripts.storming.processes import POOLS
from scripts.storming.strikes import Draw, Strike

AWAY_SECONDS = (0.5, 4.0)
HANG_SECONDS = 5.0
FULL_SECONDS = 5.0
KEY = "redis"
QUEUE_KEY = "rq:queue:{}"
ENDED_KEYS = ("rq:failed:{}", "rq:finished:{}", "rq:canceled:{}")


def kill(place: Place, chance: random.Random) -> Strike:
    seconds = chance.uniform(*AWAY_SECONDS)
    return Strike("kill redis", KEY, KEY, place.redis.kill, place.redis.start, seconds, pid=place.redis.pid)


def kill_and_wipe(place: Place, chance: random.Random) -> Strike:
    def begin() -> None:
        place.redis.kill()
        place.wipe_redis()

    seconds = chance.uniform(*AWAY_SECONDS)
    return Strike("wipe redis", KEY, KEY, begin, place.redis.start, seconds, pid=place.redis.pid)


def flush(place: Place, chance: random.Random) -> Strike:
    def begin() -> None:
        place.connect_redis().flushall()

    return Strike("flush redis", KEY, KEY, begin, pid=place.redis.pid)


def hang(place: Place, chance: random.Random) -> Strike:
    return Strike("freeze redis", KEY, KEY, place.redis.freeze, place.redis.wake, HANG_SECONDS, pid=place.redis.pid)


def run_out_of_memory(place: Place, chance: random.Random) -> Strike:
    def begin() -> None:
        place.connect_redis().config_set("maxmemory", "1mb")

    def end() -> None:
        place.connect_redis().config_set("maxmemory", "256mb")

    return Strike("fill redis", KEY, KEY, begin, end, FULL_SECONDS, pid=place.redis.pid)


def empty_queues(place: Place, chance: random.Random) -> Strike:
    """As the button does: the rings are gone, and the jobs behind them."""

    def begin() -> None:
        client = place.connect_redis()
        for resource in POOLS:
            ids: list[bytes] = client.lrange(QUEUE_KEY.format(resource), 0, -1)  # type: ignore[assignment]
            client.delete(QUEUE_KEY.format(resource), *(b"rq:job:" + job_id for job_id in ids))

    return Strike("empty queues", KEY, KEY, begin)


def requeue_all(place: Place, chance: random.Random) -> Strike:
    """Every job that Redis still knows is heard once more."""

    def begin() -> None:
        client = place.connect_redis()
        for resource in POOLS:
            for key in ENDED_KEYS:
                ids: list[bytes] = client.zrange(key.format(resource), 0, -1)  # type: ignore[assignment]
                if ids:
                    client.rpush(QUEUE_KEY.format(resource), *ids)

    return Strike("requeue all", KEY, KEY, begin)


DRAWS: list[tuple[float, Draw]] = [
    (3, kill),
    (2, kill_and_wipe),
    (4, flush),
    (2, hang),
    (3, run_out_of_memory),
    (3, empty_queues),
    (3, requeue_all),
]
