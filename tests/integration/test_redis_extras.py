"""What Redis does for the farm is an extra: locks and announcements help, and their absence hurts nobody."""

from __future__ import annotations

import threading
import time

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway

from jobs.database import Outbox
from jobs.engine import changes, locks
from jobs.engine.changes import CHANGES_CHANNEL, Announcer, Listener, wake_channel
from jobs.engine.locks import LOCK_TTL_MS, OrderLock, lock_key
from jobs.engine.rings import RingJob, count_rings, describe, queue_of, ring

KEY = lock_key(1, "order-1")


@pytest.fixture
def redis(redis_url: str) -> Redis:
    with Redis.from_url(redis_url) as client:
        yield client


class GoneRedis:
    """A Redis that refuses every command, and counts them."""

    asked = 0

    def __getattr__(self, name: str) -> object:
        def refuse(*args: object, **kwargs: object) -> object:
            self.asked += 1
            raise RedisAway("refused")

        return refuse


def test_a_lock_has_an_owner_and_an_end(redis: Redis) -> None:
    with OrderLock(redis, 1, "order-1") as lock:
        assert lock.held
        assert 0 < redis.pttl(KEY) <= LOCK_TTL_MS
    assert not redis.exists(KEY)


def test_a_loser_goes_on_without_the_lock_and_does_not_release_it(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.05)
    with OrderLock(redis, 1, "order-1") as first:
        with OrderLock(redis, 1, "order-1") as second:
            assert first.held and not second.held
        assert redis.exists(KEY)
        with OrderLock(redis, 2, "order-1") as other_booth, OrderLock(redis, 1, "order-2") as other_order:
            assert other_booth.held and other_order.held


def test_an_owner_whose_lock_ran_out_leaves_the_next_owners_alone(redis: Redis) -> None:
    with OrderLock(redis, 1, "order-1"):
        redis.set(KEY, "somebody else")
    assert redis.get(KEY) == b"somebody else"


def test_a_waiting_twin_gets_the_lock_when_the_first_is_done(redis: Redis) -> None:
    order: list[str] = []

    def wait() -> None:
        with OrderLock(redis, 1, "order-1") as lock:
            order.append(f"second, held: {lock.held}")

    with OrderLock(redis, 1, "order-1"):
        twin = threading.Thread(target=wait)
        twin.start()
        order.append("first")
    twin.join()
    assert order == ["first", "second, held: True"]


def test_locks_do_without_redis() -> None:
    with OrderLock(GoneRedis(), 1, "order-1") as lock:  # type: ignore[arg-type]
        assert not lock.held
    with OrderLock(None, 1, "order-1") as lock:
        assert not lock.held


def test_an_announcer_rings_and_wakes(redis: Redis) -> None:
    listener = Listener(redis, CHANGES_CHANNEL, wake_channel("comfyui"))
    listener.wait(0.05)
    Announcer(redis).announce(Outbox(due=[("comfyui", 5, 1)], changed={7}))
    assert listener.wait(5) == ["room", '{"order": 7}']
    listener.close()
    (job,) = queue_of("comfyui", redis).jobs
    assert (job.func_name, list(job.args)) == ("jobs.entry.take", ["comfyui"])
    assert job.kwargs == {"step_id": 5, "attempt": 1}


def test_an_announcer_leaves_a_redis_that_is_away_alone_for_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(changes.time, "monotonic", lambda: now[0])
    gone = GoneRedis()
    announcer = Announcer(gone)  # type: ignore[arg-type]
    announcer.announce(Outbox(due=[("comfyui", 5, 1)], changed={7}))
    assert announcer.is_redis_away
    asked = gone.asked
    announcer.announce(Outbox(due=[("comfyui", 6, 1)]))
    announcer.report_progress(1, 2, 0.5, "making")
    assert announcer.read_progress([2]) == {}
    now[0] += 1.9
    announcer.announce(Outbox(changed={7}))
    assert gone.asked == asked
    now[0] += 0.2
    assert not announcer.is_redis_away
    announcer.report_progress(1, 2, 0.5, "making")
    assert gone.asked > asked
    assert announcer.is_redis_away


def test_a_closed_port_costs_an_announcer_no_exception_and_no_time() -> None:
    with Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=1) as client:
        announcer = Announcer(client)
        started = time.monotonic()
        for _ in range(20):
            announcer.announce(Outbox(due=[("comfyui", 5, 1)], changed={7}, closing=True))
        announcer.forget_progress([1])
        assert announcer.is_redis_away
        assert time.monotonic() - started < 1.5


def test_progress_is_kept_read_and_forgotten(redis: Redis) -> None:
    announcer = Announcer(redis)
    announcer.report_progress(1, 2, 0.12345, "making")
    assert announcer.read_progress([1, 2]) == {2: {"value": 0.123, "stage": "making"}}
    assert redis.ttl("farm:progress:2") > 3000
    announcer.forget_progress([2])
    assert announcer.read_progress([2]) == {}


def test_only_the_farms_own_job_function_is_run(redis: Redis) -> None:
    ring(redis, "api", 1, 1)
    assert count_rings(redis, "api") == 1
    (job,) = queue_of("api", redis).jobs
    assert isinstance(job, RingJob)
    assert job.func.__name__ == "take"
    for name in ("os.system", "builtins.eval", "jobs.entry.farm_of_process"):
        job._func_name = name
        with pytest.raises(Exception, match="not one of the farm's own"):
            assert job.func


def test_a_note_is_written_only_on_a_job_that_is_still_there(redis: Redis) -> None:
    describe(redis, "gone", "took step 1")
    assert redis.keys("rq:job:gone") == []
    ring(redis, "api", 1, 1)
    (job,) = queue_of("api", redis).jobs
    describe(redis, job.id, "took step 1")
    assert redis.hget(job.key, "description") == b"took step 1"
