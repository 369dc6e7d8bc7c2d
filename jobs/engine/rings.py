"""Rings: RQ jobs that say "a step of this resource waits". The database decides: a lost or doubled one is harmless.

Arguments and description are ids and numbers of ours, so nothing that a guest or provider wrote reaches RQ.
"""

from __future__ import annotations

import logging
import uuid
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.exceptions import NoSuchJobError, StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer

log = logging.getLogger(__name__)

JOB_FUNCTION = "jobs.entry.take"
RESULT_TTL_SECONDS = 60
FAILURE_TTL_SECONDS = 86_400
EPOCH_KEY = "farm:epoch"


class JobRefused(Exception):
    """The RQ job is not one of the farm's own."""


class RingJob(Job):
    """An RQ job that runs the farm's job function and nothing else, whatever stands in Redis."""

    @property
    def func(self) -> Any:
        """The function to run. Raises JobRefused."""
        if self.instance is not None or self.func_name != JOB_FUNCTION:
            log.warning("an RQ job was refused", extra={"job_id": self.id})
            raise JobRefused("This RQ job is not one of the farm's own.")
        return super().func

    success_callback = property(lambda self: None)
    failure_callback = property(lambda self: None)
    stopped_callback = property(lambda self: None)

    def send_webhooks(self, *args: Any, **kwargs: Any) -> None:
        """The farm's jobs have none; those that stand in Redis are somebody else's."""

    def restore(self, raw_data: Any) -> Any:
        """Read the job's hash. One that cannot be read is as good as none: it must not end the worker."""
        try:
            return super().restore(raw_data)
        except (NoSuchJobError, StopRequested):  # the latter is no job's fault: a signal that came just now
            raise
        except Exception as exc:  # whatever a stranger wrote there
            log.warning("an RQ job cannot be read", extra={"job_id": self.id, "error": type(exc).__name__})
            raise NoSuchJobError("unreadable") from exc


def queue_of(resource: str, redis: Redis) -> Queue:
    """The RQ queue of a resource."""
    return Queue(resource, connection=redis, job_class=RingJob, serializer=JSONSerializer, default_timeout=-1)


def ring(redis: Redis, resource: str, step_id: int, attempt: int) -> None:
    """Ring for a step. Raises RedisError."""
    queue_of(resource, redis).enqueue_call(
        JOB_FUNCTION,
        args=(resource,),
        kwargs={"step_id": step_id, "attempt": attempt},
        job_id=f"ring-{step_id}-{attempt}-{uuid.uuid4().hex[:8]}",
        description=f"ring for step {step_id}, attempt {attempt}",
        timeout=-1,
        result_ttl=RESULT_TTL_SECONDS,
        failure_ttl=FAILURE_TTL_SECONDS,
    )


def count_rings(redis: Redis, resource: str) -> int:
    """Rings that nobody has heard yet. Raises RedisError."""
    return int(queue_of(resource, redis).count)


def epoch_is_missing(redis: Redis) -> bool:
    """Was Redis wiped since we last looked? Sets the mark again. Raises RedisError."""
    return bool(redis.set(EPOCH_KEY, uuid.uuid4().hex, nx=True))


def describe(redis: Redis, job_id: str, text: str) -> None:
    """Write into a job's description what became of its ring, only if the job is still there. Never raises."""
    try:
        if redis.exists(Job.key_for(job_id)):
            redis.hset(Job.key_for(job_id), "description", text)
    except RedisError:
        log.debug("a job's description could not be written", extra={"job_id": job_id})
