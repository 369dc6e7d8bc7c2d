"""One RQ worker: one process, one slot. A thin subclass of SimpleWorker for RQ 3.0.

What it changes and why: RQ's SimpleWorker beats only between jobs (ours always, from a thread, and it registers again
after a wiped Redis); as shipped, a signal during a job raises inside the job when Redis is away (ours sets a flag),
a failed job's traceback is kept in Redis (ours keeps the error's name), and commands are
taken from a channel (ours listens to the pool only).
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
import uuid
from types import FrameType
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import SimpleWorker, worker_registration
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.queue import Queue
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer

from jobs.engine.doorbell import ask_redis
from jobs.engine.rings import RingJob

log = logging.getLogger(__name__)

WORKER_TTL_SECONDS = 45
HEARTBEAT_SECONDS = 10
HEARTBEAT_TTL_SECONDS = 90
MAINTENANCE_SECONDS = 300
REDIS_WAIT_SECONDS = 1.0

_current: FarmWorker | None = None


def current_worker() -> FarmWorker | None:
    """The worker that runs in this process, if one does."""
    return _current


class FarmWorker(SimpleWorker):
    """RQ sees it under a telling name; the database knows it by the same one."""

    max_connection_wait_time = 2.0
    job_class = RingJob

    def __init__(self, queues: Any, name: str | None = None, **kwargs: Any) -> None:
        kwargs.pop("default_worker_ttl", None)
        kwargs |= {
            "worker_ttl": WORKER_TTL_SECONDS,
            "job_monitoring_interval": HEARTBEAT_TTL_SECONDS - 60,
            "maintenance_interval": MAINTENANCE_SECONDS,
            "job_class": RingJob,
            "serializer": JSONSerializer,
            "log_job_description": False,
        }
        super().__init__(queues, name=name or make_name("worker"), **kwargs)
        self._idle = False
        self._job: Job | None = None
        self._ending = threading.Event()
        self.log_result_lifespan = False

    @property
    def stopping(self) -> bool:
        """Has somebody asked this worker to end after its job?"""
        return self._stop_requested

    def work(self, *args: Any, **kwargs: Any) -> bool:
        """RQ's loop, with our beat beside it."""
        global _current
        _current = self
        threading.Thread(target=self._keep_visible, name="rq-heartbeat", daemon=True).start()
        return bool(super().work(*args, **kwargs))

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """During a job only note the wish: no Redis, no exception, however often it comes."""
        self._stop_requested = True
        if self._idle:
            raise StopRequested()

    def _install_signal_handlers(self) -> None:
        # Only the pool ends workers; Ctrl-C on a terminal reaches the whole process group.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self.request_stop)

    def subscribe(self) -> None:
        """Nothing: RQ's channel of commands would let whoever reaches Redis end workers, and stopping its thread races
        with closing its connection (redis-py 8.1.0: TypeError, or a second's wait for the thread).
        """

    def dequeue_job_and_maintain_ttl(self, timeout: int | None, max_idle_time: int | None = None) -> Any:
        self._idle = True
        try:
            while True:
                if self._stop_requested:
                    raise StopRequested()
                try:
                    return super().dequeue_job_and_maintain_ttl(timeout, max_idle_time)
                except UnicodeDecodeError:  # RQ reads ids as text; a stranger wrote one that is none
                    log.warning("an RQ job's id cannot be read", extra={"worker": self.name})
                    self._drop_unreadable()
                except (RedisError, OSError) as exc:  # RQ waits for one that is away, but not around its wait for a job
                    log.warning("Redis refuses work", extra={"worker": self.name, "error": type(exc).__name__})
                    self._wait_for_redis()
        finally:
            self._idle = False

    def _drop_unreadable(self) -> None:
        """Such an id would lie in the list of jobs on their way for ever, and end whoever cleans it up."""
        for queue in self.queues:
            entries: Any = self.connection.lrange(queue.intermediate_queue_key, 0, -1)
            for raw in entries:
                try:
                    raw.decode()
                except UnicodeDecodeError:
                    self.connection.lrem(queue.intermediate_queue_key, 0, raw)

    def execute_job(self, job: Job, queue: Queue) -> None:
        self._job = job
        try:
            super().execute_job(job, queue)
        except (RedisError, OSError) as exc:
            # What the job did stands in the database; only RQ's record of it is lost. RQ would end this worker.
            log.warning("Redis failed around a job", extra={"worker": self.name, "error": type(exc).__name__})
            self.executions.clear()
            self._wait_for_redis()
        finally:
            self._job = None

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """RQ beats between jobs too, and would end this worker when Redis does not take that."""
        try:
            super().heartbeat(timeout, pipeline)
        except (RedisError, OSError) as exc:
            log.debug("a heartbeat did not reach Redis", extra={"error": type(exc).__name__})

    def check_for_suspension(self, burst: bool) -> None:
        """RQ's look at the head of its loop, where it would end this worker when Redis is away."""
        try:
            super().check_for_suspension(burst)
        except (RedisError, OSError):
            self._wait_for_redis()

    def _wait_for_redis(self) -> None:
        """Until it takes what we write, or somebody asks us to end."""
        while not self._stop_requested and ask_redis(self.connection) != "ok":
            time.sleep(REDIS_WAIT_SECONDS)

    def handle_job_failure(
        self,
        job: Job,
        queue: Queue,
        started_job_registry: StartedJobRegistry | None = None,
        exc_string: str = "",
        execution: Execution | None = None,
    ) -> None:
        """Only the error's name is kept in Redis: a traceback quotes what guests, booths and providers wrote."""
        error = sys.exception()
        named = f"{type(error).__name__}: the worker's log has it under this job's id" if error else "failed"
        super().handle_job_failure(job, queue, started_job_registry, named, execution)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        return HEARTBEAT_TTL_SECONDS

    def teardown(self) -> None:
        self._ending.set()
        try:
            super().teardown()  # type: ignore[no-untyped-call]  # theirs
        except RedisError:
            log.info("a worker leaves while Redis is away", extra={"worker": self.name})

    def _keep_visible(self) -> None:
        """Beat every 10 s: idle, waiting or working, and be registered."""
        while not self._ending.wait(HEARTBEAT_SECONDS):
            try:
                if not self.connection.sismember(self.redis_workers_keys, self.key) and self.birth_date:
                    with self.connection.pipeline() as pipe:
                        pipe.hset(self.key, mapping=self.serialize() | {"state": self.get_state()})
                        worker_registration.register(self, pipe)
                        pipe.execute()
                job, execution = self._job, next(iter(self.executions.values()), None)
                if job is not None and execution is not None:
                    self.maintain_heartbeats(job, execution)
                else:
                    self.heartbeat(HEARTBEAT_TTL_SECONDS)
            except (RedisError, OSError) as exc:
                log.debug("a heartbeat did not reach Redis", extra={"error": type(exc).__name__})


def make_name(resource: str) -> str:
    """A worker's name: resource, host, process and something unique. RQ refuses a name that died a moment ago."""
    host = socket.gethostname().split(".")[0]
    return f"{resource}-{host}-{os.getpid()}-{uuid.uuid4().hex[:6]}"


def wait_for_redis(redis: Redis) -> None:
    """Return once Redis answers and takes what is written, however long that takes. Leaves no connection behind.

    RQ gives a worker's client the patience to wait for a ring, but only connections made after that have it: one from
    before would break the wait off after 2 s, again and again, and the worker would be deaf in between.
    """
    while ask_redis(redis) != "ok":
        time.sleep(REDIS_WAIT_SECONDS)
    redis.connection_pool.disconnect()
    redis.connection_pool.reset()
