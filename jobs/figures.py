"""The answers of /queue and /stats: the database's counts beside RQ's registry of workers."""

from __future__ import annotations

from typing import Any

from redis import Redis

from jobs.database import Database
from jobs.engine.pools import count_workers
from jobs.orders.stats import percentile, read_counts, read_totals, show_moment
from jobs.resources import RESOURCES
from jobs.settings import Settings


def read_queue(database: Database, redis: Redis, settings: Settings) -> dict[str, Any]:
    """GET /queue."""
    counts = database.read(read_counts, tuple(RESOURCES))
    queued = counts["open"].get("queued", 0)
    return {
        "queued": queued,
        "running": counts["open"].get("running", 0),
        "limit": settings.queue_limit,
        "wait_s": {"p50": percentile(counts["waits"], 0.5), "p90": percentile(counts["waits"], 0.9)},
        "accepting": queued < settings.queue_limit and not counts["intake_paused"],
        "resources": _resources(counts, redis, settings),
    }


def read_stats(database: Database, redis: Redis, settings: Settings) -> dict[str, Any]:
    """GET /stats: nine fields and the resources."""
    totals, counts = database.read(lambda session: (read_totals(session), read_counts(session, tuple(RESOURCES))))
    queued = counts["open"].get("queued", 0)
    resources = _resources(counts, redis, settings)
    workers = sum(resource["workers"] for resource in resources.values())
    return {
        "total_submitted": totals.submitted,
        "total_processed": totals.ended,
        "total_failed": totals.failed,
        "current_queue_size": queued,
        "last_processed_time": show_moment(totals.last_finished_at),
        "queue_size": queued,
        "queue_maxsize": settings.queue_limit,
        "is_running": workers > 0,
        "worker_count": workers,
        "resources": resources,
    }


def _resources(counts: dict[str, Any], redis: Redis, settings: Settings) -> dict[str, Any]:
    shown = {}
    for name in RESOURCES:
        count = count_workers(redis, name)
        known = counts["resources"][name]
        shown[name] = {
            "workers": count.workers,
            "busy": known["in_flight"],
            "queued": known["queued"],
            "limit": settings.limit_of(name),
            "paused_until": known["paused_until"],
        }
    return shown
