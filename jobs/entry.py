"""The job functions that RQ calls by name. A wire format: add keyword arguments with defaults, never rename any."""

from __future__ import annotations

from functools import cache

from rq import get_current_job

from jobs import trail
from jobs.engine.rings import describe
from jobs.engine.take import Taker
from jobs.engine.worker import current_worker
from jobs.farm import Farm
from jobs.resources import RESOURCES
from jobs.settings import Settings


@cache
def farm_of_process() -> Farm:
    """The Farm of this process. A pool builds it before it forks; each worker then opens connections of its own."""
    return Farm(Settings.load())


@cache
def taker_of_process(resource: str) -> Taker:
    """What this process does at a ring."""
    return farm_of_process().taker(resource)


def take(resource: str, *, step_id: int = 0, attempt: int = 0) -> None:
    """A ring was heard. `step_id`, `attempt`: what it was rung for; the claim decides what is taken."""
    worker, job = current_worker(), get_current_job()
    if worker is None or job is None or resource not in RESOURCES:
        raise ValueError("not a ring of this farm")
    redis = farm_of_process().redis
    with trail.bound(resource=resource, worker=worker.name, job_id=job.id):
        taker_of_process(resource).take(
            worker.name, should_stop=lambda: worker.stopping, note=lambda text: describe(redis, job.id, text)
        )
