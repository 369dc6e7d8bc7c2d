"""What a worker makes of a Redis that fails around its jobs; threads that listen end before their connection does."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest
from redis import Redis

from jobs import entry
from jobs.engine.changes import CHANGES_CHANNEL, Watcher
from jobs.engine.rings import queue_of, ring
from jobs.engine.worker import WORKER_TTL_SECONDS, FarmWorker, wait_for_redis
from jobs.farm import Farm

FULL_SECONDS = 0.3
PATIENCE_SECONDS = 20.0


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, socket_timeout=2) as client:
        yield client
        client.config_set("maxmemory", 0)


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """A worker in this process takes the signals; they are given back afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def fill_for_a_moment(redis: Redis) -> None:
    """Out of memory: every command that writes is refused, until the moment is over."""
    redis.config_set("maxmemory", 1)
    threading.Timer(FULL_SECONDS, lambda: redis.config_set("maxmemory", 0)).start()


def test_i17_a_worker_outlives_a_redis_without_memory_at_the_end_of_its_job(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []

    def take(resource: str, *, step_id: int, attempt: int) -> None:
        heard.append(step_id)
        if len(heard) == 1:
            fill_for_a_moment(redis)

    monkeypatch.setattr(entry, "take", take)
    ring(redis, "comfyui", 1, 1)
    ring(redis, "comfyui", 2, 1)
    FarmWorker([queue_of("comfyui", redis)], connection=redis).work(burst=True, logging_level="WARNING")
    assert heard == [1, 2]


def test_i17_a_new_worker_waits_for_a_redis_that_takes_what_it_writes(redis: Redis) -> None:
    fill_for_a_moment(redis)
    wait_for_redis(redis)
    assert redis.config_get("maxmemory")["maxmemory"] == "0"


def test_an_idle_worker_waits_for_its_ring_as_long_as_it_means_to(redis: Redis) -> None:
    wait_for_redis(redis)
    worker = FarmWorker([queue_of("comfyui", redis)], connection=redis)
    connection = redis.connection_pool.get_connection()
    try:
        assert connection.socket_timeout > worker.dequeue_timeout > WORKER_TTL_SECONDS / 2
    finally:
        redis.connection_pool.release(connection)


def test_a_reconciler_ends_after_its_listener(farm: Farm) -> None:
    reconciler = farm.reconciler()
    thread = threading.Thread(target=reconciler.run)
    thread.start()
    until = time.monotonic() + PATIENCE_SECONDS
    while not count_subscribers(farm.redis, "farm:wake:reconcile") and time.monotonic() < until:
        time.sleep(0.02)
    reconciler.stop.set()
    thread.join(PATIENCE_SECONDS)
    assert not [one for one in threading.enumerate() if one.name == "reconcile-listener"]


def test_a_stopped_watcher_has_let_go_of_its_connection(redis: Redis) -> None:
    watcher = Watcher(redis, lambda order_ids: {})
    assert watcher.follow(1, seats=1)
    until = time.monotonic() + PATIENCE_SECONDS
    while not count_subscribers(redis, CHANGES_CHANNEL) and time.monotonic() < until:
        time.sleep(0.02)
    watcher.stop()
    watcher.join()
    assert not [one for one in threading.enumerate() if one.name == "watcher"]


def count_subscribers(redis: Redis, channel: str) -> int:
    """How many listen to the channel."""
    return int(redis.pubsub_numsub(channel)[0][1])
