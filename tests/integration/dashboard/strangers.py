"""What tests put into Redis, all that lies there, and every rule that rq-dashboard has."""

from __future__ import annotations

import time
from typing import Any

import rq_dashboard
from flask import Flask
from redis import Redis
from rq import Queue, Worker
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker_registration import register

from jobs.engine.rings import queue_of, ring

READS = {
    "queues_overview", "workers_overview", "jobs_overview", "job_view", "list_queues", "list_workers", "list_jobs",
    "job_info", "static", "favicon",
}  # fmt: skip


def snapshot(redis: Redis) -> dict[str, bytes | None]:
    """All of RQ's keys, byte for byte."""
    return {key.decode("latin-1"): redis.dump(key) for key in redis.scan_iter("rq:*")}


def push(redis: Redis, job_id: str, **fields: Any) -> Job:
    """A stranger's job, straight into the ComfyUI queue."""
    job = Queue("comfyui", connection=redis, serializer=JSONSerializer).enqueue("os.getcwd", job_id=job_id)
    for name, value in fields.items():
        redis.hset(job.key, name, value)
    return job


def fill(redis: Redis) -> None:
    """A job in most of the registries."""
    for number in range(3):
        ring(redis, "comfyui", number, 1)
    for registry in (FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry):
        job = push(redis, f"in-{registry.__name__}")
        redis.lrem("rq:queue:comfyui", 0, job.id)
        redis.zadd(registry("comfyui", connection=redis).key, {job.id: time.time() + 3600})


def add_worker(redis: Redis, state: str) -> None:
    """A worker in RQ's registry, named as its state."""
    worker = Worker([queue_of("comfyui", redis)], name=state, connection=redis, serializer=JSONSerializer)
    worker.birth_date = worker.last_heartbeat = now()
    redis.hset(worker.key, mapping=worker.serialize() | {"state": state})
    register(worker)


def paths_of_every_rule() -> list[tuple[str, str]]:
    """(view, path) of every rule that the library has, asked from the library itself."""
    app = Flask("probe")
    app.register_blueprint(rq_dashboard.blueprint, url_prefix="/ops/rq")
    values = {
        "instance_number": 0,
        "queue_name": "comfyui",
        "registry_name": "failed",
        "per_page": 8,
        "order": "asc",
        "page": 1,
        "job_id": "in-FailedJobRegistry",
        "filename": "css/main.css",
    }
    found = []
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("rq_dashboard."):
            built = rule.build({name: values[name] for name in rule.arguments})
            assert built is not None
            found.append((rule.endpoint.removeprefix("rq_dashboard."), built[1]))
    assert len(found) >= 15
    return found
