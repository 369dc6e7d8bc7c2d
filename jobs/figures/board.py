"""What the board shows: the whole farm at one moment, read in one transaction of a few statements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from redis import Redis
from sqlalchemy.orm import Session

from jobs.access import audit
from jobs.access.models import AuditEntry
from jobs.cloud.provider import Provider
from jobs.cloud.standing import Standing, list_standings
from jobs.comfyui.models import Server
from jobs.comfyui.servers import list_servers
from jobs.database import Database, now_of
from jobs.engine.doorbell import RedisState, ask_redis
from jobs.engine.pools import WorkerCount, count_workers
from jobs.erasure.owed import Debt, count_debts
from jobs.forecast.forecast import Forecast
from jobs.forecast.span import SecondsLeft
from jobs.orders import calls, watch
from jobs.orders.limits import read_limits
from jobs.orders.models import Pause
from jobs.orders.pauses import list_paused
from jobs.orders.promises import Kept, read_kept
from jobs.orders.watch import BoothSeen, FailedTask, OpenStep
from jobs.resources import RESOURCES
from jobs.settings import Settings

FAILED_SECONDS = 1_800.0
"""How long a failure is news."""
CHANGES_SECONDS = 900.0
CHANGES_SHOWN = 8
EVENING_SECONDS = 43_200.0
BY_OPERATORS = ("resource:", "provider:", "style:", "intake")
"""Scopes whose pause may have been somebody's word."""


@dataclass(frozen=True)
class Board:
    """The farm now. Lists are in a stable order; `limits`, `in_flight` are by resource, `busy_at` by ComfyUI server."""

    now: datetime
    settings: Settings
    open: list[OpenStep]
    pauses: dict[str, Pause]
    paused_by: dict[str, str]
    servers: list[Server]
    standings: list[Standing]
    booths: list[BoothSeen]
    failed: list[FailedTask]
    changes: list[AuditEntry]
    expected: tuple[float, float] | None
    """In how many seconds a picture would be there that was ordered now, from and to; None: nothing can be told."""
    limits: dict[str, int]
    promises: Kept
    """Of this evening: EVENING_SECONDS, since an evening does not end at midnight."""
    in_flight: dict[str, int]
    busy_at: dict[str, int]
    reconciler_age_s: float | None
    debts: list[Debt]
    """What is owed of deleted orders."""

    @property
    def queued(self) -> int:
        """Tasks that hold a place of the queue."""
        return sum(step.task_status == "queued" for step in self.open)

    @property
    def running(self) -> int:
        """Tasks that have begun."""
        return sum(step.task_status == "running" for step in self.open)

    def at(self, resource: str) -> list[OpenStep]:
        """Open steps of one resource, the oldest first."""
        return [step for step in self.open if step.resource == resource]

    def waiting_at(self, resource: str) -> list[OpenStep]:
        """Those of them that nobody works on."""
        return [step for step in self.at(resource) if step.status != "running"]

    def seconds_since(self, moment: datetime) -> float:
        """How long ago that was."""
        return max((self.now - moment).total_seconds(), 0.0)


@dataclass(frozen=True)
class Pools:
    """What Redis knows: how it is itself, and the workers by resource; no resource where it cannot be asked."""

    redis: RedisState
    workers: dict[str, WorkerCount]


def read_board(database: Database, settings: Settings, providers: Mapping[str, Provider], forecast: Forecast) -> Board:
    """The farm as its database knows it. Raises DatabaseAway."""
    return database.read(_look, settings, providers, forecast)


def read_pools(redis: Redis) -> Pools:
    """The farm as Redis knows it. Never raises."""
    state = ask_redis(redis)
    if state != "ok":
        return Pools(state, {})
    return Pools(state, {name: count_workers(redis, name) for name in RESOURCES})


def _look(session: Session, settings: Settings, providers: Mapping[str, Provider], forecast: Forecast) -> Board:
    now = now_of(session)
    paused = list_paused(session, now)
    theirs = [scope for scope, row in paused.items() if row.kind == "operator" and scope.startswith(BY_OPERATORS)]
    in_flight: Counter[str] = Counter()
    busy_at: Counter[str] = Counter()
    for name in RESOURCES:
        for (_provider, server), count in calls.load_by_place(session, name).items():
            in_flight[name] += count
            busy_at[server or ""] += count
    return Board(
        now=now,
        settings=settings,
        open=watch.list_open(session),
        pauses=paused,
        paused_by=watch.name_last_actors(session, theirs) if theirs else {},
        servers=list_servers(session),
        standings=list_standings(session, providers, settings),
        booths=watch.list_booths(session),
        failed=watch.list_failed(session, now - timedelta(seconds=FAILED_SECONDS)),
        changes=audit.list_recent(session, now - timedelta(seconds=CHANGES_SECONDS), CHANGES_SHOWN),
        expected=_expect(forecast.seconds_for_new(session)),
        promises=read_kept(session, now - timedelta(seconds=EVENING_SECONDS)),
        limits=read_limits(session, settings.limits),
        in_flight=dict(in_flight),
        busy_at=dict(busy_at),
        reconciler_age_s=watch.seconds_since_counted(session, now),
        debts=count_debts(session, now),
    )


def _expect(by_style: Mapping[str, SecondsLeft | None]) -> tuple[float, float] | None:
    """Of the style in the middle: neither the quickest nor the one that waits for a provider's pause."""
    spans = sorted((span.low, span.high) for span in by_style.values() if span is not None)
    return spans[len(spans) // 2] if spans else None
