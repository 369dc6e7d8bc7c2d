"""The answers of /queue and /stats, and the readings behind /metrics: the database beside RQ's registry of workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis import Redis

from jobs.cloud.provider import Provider
from jobs.cloud.standing import Standing, list_standings
from jobs.comfyui import servers
from jobs.comfyui.models import Server
from jobs.comfyui.servers import ServerState
from jobs.database import Database, now_of
from jobs.engine.doorbell import ask_redis
from jobs.engine.pools import count_workers
from jobs.erasure.owed import Debt, count_debts
from jobs.forecast.forecast import Forecast
from jobs.orders.stats import Present, percentile, read_counts, read_present, read_totals, show_moment, show_pause
from jobs.orders.tallies import Tallies, read_tallies
from jobs.resources import RESOURCES
from jobs.settings import Settings


def read_queue(
    database: Database, redis: Redis, settings: Settings, providers: Mapping[str, Provider]
) -> dict[str, Any]:
    """GET /queue."""
    counts, standings = database.read(
        lambda session: (read_counts(session, settings.limits), list_standings(session, providers, settings))
    )
    queued = counts["open"].get("queued", 0)
    return {
        "queued": queued,
        "running": counts["open"].get("running", 0),
        "limit": settings.queue_limit,
        "wait_s": {"p50": percentile(counts["waits"], 0.5), "p90": percentile(counts["waits"], 0.9)},
        "accepting": queued < settings.queue_limit and counts["intake_paused_until"] is None,
        "intake_paused_until": counts["intake_paused_until"],
        "resources": _resources(counts, redis),
        "providers": {one.name: _show_standing(one) for one in standings if one.configured},
    }


def read_next(database: Database, forecast: Forecast) -> dict[str, dict[str, float] | None]:
    """By style, between how many seconds from now the picture of an order placed now would be there; None when nothing
    can be said.
    """
    found = database.read(forecast.seconds_for_new)
    return {name: {"low": left.low, "high": left.high} if left else None for name, left in found.items()}


def read_stats(database: Database, redis: Redis, settings: Settings) -> dict[str, Any]:
    """GET /stats: nine fields and the resources."""
    totals, counts = database.read(lambda session: (read_totals(session), read_counts(session, settings.limits)))
    queued = counts["open"].get("queued", 0)
    resources = _resources(counts, redis)
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


def _resources(counts: dict[str, Any], redis: Redis) -> dict[str, Any]:
    shown = {}
    for name in RESOURCES:
        count = count_workers(redis, name)
        known = counts["resources"][name]
        shown[name] = {
            "workers": count.workers,
            "busy": known["in_flight"],
            "queued": known["queued"],
            "limit": known["limit"],
            "paused_until": known["paused_until"],
        }
    return shown


def _show_standing(one: Standing) -> dict[str, Any]:
    return {
        "busy": one.busy,
        "limit": one.allowed,
        "paused_until": show_pause(one.pause),
        "paused_s": None if one.seconds_left is None else round(max(one.seconds_left, 0.0), 1),
        "why": None if one.pause is None else one.pause.kind,
    }


@dataclass(frozen=True)
class Slots:
    """One resource now: live workers, those with a ring in hand, calls in flight, their limit, room, waiting steps."""

    workers: int
    busy: int
    in_flight: int
    limit: int
    room: int
    queued: int


@dataclass(frozen=True)
class Readings:
    """All that /metrics tells of the farm as a whole, in one snapshot of the database."""

    tallies: Tallies
    present: Present
    servers: list[ServerState]
    slots: dict[str, Slots]
    database_bytes: int
    debts: list[Debt]
    hosts: list[Server]


def read_metrics(database: Database, redis: Redis, settings: Settings) -> Readings:
    """The readings of this moment. Raises DatabaseAway; without Redis there are no workers."""
    tallies, present, states, debts, hosts = database.read(
        lambda session: (
            read_tallies(session),
            read_present(session, settings.limits),
            servers.list_states(session),
            count_debts(session, now_of(session)),
            servers.list_servers(session),
        )
    )
    slots = {}
    for name, resource in RESOURCES.items():
        count, limit = count_workers(redis, name), present.limits[name]
        load = present.load[name]
        room = max(limit - sum(load.values()), 0)
        if resource.has_servers:
            free = (settings.comfyui_depth - load.get(state.url, 0) for state in states if state.usable)
            room = min(room, sum(max(places, 0) for places in free))
        slots[name] = Slots(count.workers, count.busy, sum(load.values()), limit, room, present.waiting[name])
    return Readings(tallies, present, states, slots, database.count_bytes(), debts, hosts)


def is_redis_up(redis: Redis) -> bool:
    """Does Redis answer, and take what is written?"""
    return ask_redis(redis) == "ok"
