"""A ring that ends with an error: RQ keeps the error's name, and nothing of what it or its causes quote."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from jobs import entry
from jobs.engine.rings import queue_of, ring
from jobs.engine.worker import FarmWorker

GUEST = "<img src=x onerror=alert(1)> says a guest"


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def work(redis: Redis) -> Iterator[FarmWorker]:
    """A worker in this process; it takes the signals, which are given back afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield FarmWorker([queue_of("comfyui", redis)], connection=redis)
    for number, handler in before.items():
        signal.signal(number, handler)


def failed_job(redis: Redis) -> Job:
    (job_id,) = FailedJobRegistry("comfyui", connection=redis).get_job_ids(cleanup=False)
    return Job.fetch(job_id, connection=redis, serializer=JSONSerializer)


def test_an_error_is_kept_by_its_name(redis: Redis, work: FarmWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    def take(resource: str, *, step_id: int, attempt: int) -> None:
        try:
            raise ValueError(GUEST)
        except ValueError as exc:
            raise RuntimeError(GUEST) from exc

    monkeypatch.setattr(entry, "take", take)
    ring(redis, "comfyui", 7, 2)
    work.work(burst=True, logging_level="WARNING")
    job = failed_job(redis)
    result = job.latest_result()
    assert result is not None
    assert result.exc_string == "RuntimeError: the worker's log has it under this job's id"
    assert (job.description, job.get_meta()) == ("ring for step 7, attempt 2", {})
    assert b"guest" not in b"".join(redis.hgetall(job.key).values())


def test_a_stranger_s_job_is_refused_without_a_word_of_it(redis: Redis, work: FarmWorker) -> None:
    Queue("comfyui", connection=redis, serializer=JSONSerializer).enqueue("os.system", GUEST, job_id="stranger")
    work.work(burst=True, logging_level="WARNING")
    result = failed_job(redis).latest_result()
    assert result is not None
    assert result.exc_string == "JobRefused: the worker's log has it under this job's id"
