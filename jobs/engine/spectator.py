"""RQ's classes for somebody who only looks: nothing is changed, cleaned up or unpickled, whatever stands in Redis.

RQ tidies while it reads (a lookup takes ids of vanished jobs and workers out of their lists), it unpickles where no
serializer is named, and it fails on what strangers wrote. These classes do none of it.
"""

from __future__ import annotations

import logging
from typing import Any

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as NoAnswer
from rq import Queue, Worker
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus
from rq.registry import (
    BaseRegistry,
    CanceledJobRegistry,
    DeferredJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
    ScheduledJobRegistry,
    StartedJobRegistry,
)
from rq.results import Result
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker

from jobs.engine.rings import RingJob
from jobs.resources import RESOURCES

log = logging.getLogger(__name__)

READING = frozenset(
    "EXISTS GET HEXISTS HGET HGETALL HMGET LLEN LRANGE SCARD SISMEMBER SMEMBERS TTL TYPE XLEN XREVRANGE"
    " ZCARD ZCOUNT ZRANGE ZRANGEBYSCORE ZREVRANGE ZSCORE".split()
)
TIDYING = frozenset({"LREM", "SREM"})
"""What RQ does on the side while it looks something up; left undone."""


class RedisAway(Exception):
    """Redis does not answer."""


class Unreadable(Exception):
    """What stands there in Redis is of another kind than RQ writes."""


class ReadOnly(Exception):
    """Somebody who only looks tried to change something in Redis."""


class ReadingRedis(Redis):
    """A client that can only read. Raises RedisAway, Unreadable, ReadOnly."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command, if it reads."""
        if not _may_send(args):
            return 0
        try:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # theirs
        except (NoConnection, NoAnswer, OSError) as exc:
            raise RedisAway("Redis does not answer.") from exc
        except RedisError as exc:
            raise Unreadable(type(exc).__name__) from exc

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> ReadingPipeline:
        """Several reads at once; reading needs no transaction."""
        return ReadingPipeline(self.connection_pool, self.response_callbacks, False, shard_hint)


class ReadingPipeline(Pipeline):
    """A pipeline that can only read. Raises RedisAway, Unreadable, ReadOnly."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Stage one command, if it reads."""
        if not _may_send(args):
            return self
        return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # theirs

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Send what is staged."""
        try:
            return super().execute(raise_on_error)
        except (NoConnection, NoAnswer, OSError) as exc:
            raise RedisAway("Redis does not answer.") from exc
        except RedisError as exc:
            raise Unreadable(type(exc).__name__) from exc


def _may_send(args: tuple[Any, ...]) -> bool:
    name = str(args[0]).upper()
    if name in READING:
        return True
    if name in TIDYING:
        return False
    raise ReadOnly(f"{name} is not a command that only reads")


class SeenJob(RingJob):
    """A job to look at. What cannot be read of it is left out."""

    def __init__(self, id: str | None = None, connection: Redis | None = None, serializer: Any = None) -> None:
        super().__init__(id, connection=connection, serializer=JSONSerializer)

    @classmethod
    def fetch(cls, id: str, connection: Redis | None = None, serializer: Any = None) -> Job:
        """The job of an id. Raises NoSuchJobError, also for what cannot be an id or be read."""
        try:
            return super().fetch(id, connection=connection)
        except (ValueError, Unreadable) as exc:
            raise NoSuchJobError("not a job") from exc

    def get_status(self, refresh: bool = True) -> JobStatus:
        """The status as it was read with the job."""
        return super().get_status(refresh=False)

    def get_meta(self, refresh: bool = True) -> dict[str, Any]:
        """The metadata as it was read with the job."""
        return self.meta if self._unreadable_meta is None else {"unreadable": True}

    def get_call_string(self) -> str:
        """The call as a line of Python."""
        try:
            return super().get_call_string() or ""
        except Exception as exc:  # data of another serializer, or of none
            log.info("an RQ job's call cannot be read", extra={"job_id": self.id, "error": type(exc).__name__})
            return "(unreadable)"

    def latest_result(self, timeout: int = 0) -> Result | None:
        """How the job ended last."""
        try:
            return super().latest_result()
        except RedisAway:
            raise
        except Exception as exc:  # whatever a stranger wrote there
            log.info("an RQ job's result cannot be read", extra={"job_id": self.id, "error": type(exc).__name__})
            return None

    @property
    def dependency_ids(self) -> list[bytes]:  # type: ignore[override]  # rq-dashboard 0.9.0 wants bytes, as RQ 1 gave
        return [job_id.encode() for job_id in super().dependency_ids]


class SeenQueue(Queue):
    """A queue to look at."""

    job_class = SeenJob

    def __init__(self, name: str = "default", connection: Redis | None = None, **kwargs: Any) -> None:
        super().__init__(name, connection=connection, job_class=SeenJob, serializer=JSONSerializer)

    @classmethod
    def all(cls, connection: Redis, *args: Any, **kwargs: Any) -> list[Queue]:
        """The farm's queues, also those that nobody has rung in yet, and whatever others there are."""
        known = super().all(connection)
        names = {queue.name for queue in known}
        return known + [cls(name, connection) for name in RESOURCES if name not in names]

    def fetch_job(self, job_id: str) -> Job | None:
        """A job of this queue, or None."""
        try:
            job = SeenJob.fetch(job_id, connection=self.connection)
        except NoSuchJobError:
            return None
        return job if job.origin == self.name else None


REGISTRIES: dict[str, type[BaseRegistry]] = {
    "scheduled": ScheduledJobRegistry,
    "deferred": DeferredJobRegistry,
    "started": StartedJobRegistry,
    "finished": FinishedJobRegistry,
    "failed": FailedJobRegistry,
    "canceled": CanceledJobRegistry,
}


def list_page(
    queue_name: str, registry_name: str, offset: int, per_page: int, order: str, connection: Redis
) -> tuple[int, list[Job]]:
    """How many jobs a registry (or `queued`) holds, and those of one page, from its end when `order` is `dsc`.

    Abandoned jobs stay where they are: cleaning up beside a worker that does the same doubles them. A job that is
    gone or cannot be read is left out.
    """
    queue = SeenQueue(queue_name, connection)
    registry = None if registry_name == "queued" else REGISTRIES[registry_name](queue_name, connection=connection)
    total = queue.count if registry is None else registry.get_job_count(cleanup=False)
    begin, end = offset, min(offset + per_page, total)
    if order == "dsc":
        begin, end = max(0, total - offset - per_page), total - offset
    if begin >= end:
        return total, []
    if registry is None:
        ids = queue.get_job_ids(begin, end - begin)
    else:
        ids = registry.get_job_ids(begin, end - 1, cleanup=False)
    if order == "dsc":
        ids.reverse()
    return total, [job for job in map(queue.fetch_job, ids) if job is not None]


class SeenWorker(Worker):
    """A worker to look at."""

    job_class = SeenJob
    queue_class: type[Queue] = SeenQueue

    @classmethod
    def find_by_key(cls, worker_key: str, connection: Redis, *args: Any, **kwargs: Any) -> BaseWorker | None:
        """The worker of a key, or None."""
        try:
            return super().find_by_key(worker_key, connection, SeenJob, SeenQueue, JSONSerializer)
        except RedisAway:
            raise
        except Exception as exc:  # whatever a stranger wrote there
            log.info("an RQ worker cannot be read", extra={"error": type(exc).__name__})
            return None

    def get_current_job(self) -> Job | None:
        """The job that the worker runs; None also when it ended this instant."""
        try:
            return super().get_current_job()
        except NoSuchJobError:
            return None
        except RedisAway:
            raise
        except Exception as exc:  # whatever a stranger wrote there
            log.info("an RQ worker's job cannot be read", extra={"worker": self.name, "error": type(exc).__name__})
            return None

    def _set_connection(self, connection: Redis) -> Redis:
        # RQ would raise the time-out of the whole connection pool to a worker's, which waits for minutes.
        return connection
