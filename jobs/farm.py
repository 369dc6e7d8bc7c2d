"""The parts joined: one Farm for each process. The only place that connects anything with anything."""

from __future__ import annotations

import importlib
from functools import cached_property
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs.access.links import Signer
from jobs.access.secret_files import secret_key
from jobs.admission import Admission
from jobs.cloud.provider import Provider
from jobs.cloud.providers import make_providers
from jobs.comfyui.servers import Abilities
from jobs.database import Database
from jobs.engine.changes import Announcer
from jobs.engine.claims import Claims, Limits
from jobs.engine.ladder import Ladder
from jobs.engine.reconcile import Reconciler
from jobs.engine.runner import Runner
from jobs.engine.take import Taker
from jobs.erasure.eraser import Eraser
from jobs.erasure.orders import Terms
from jobs.erasure.retention import Retention
from jobs.forecast.forecast import Forecast
from jobs.forecast.scene import Sources
from jobs.interventions import Interventions
from jobs.media.storage import DiskStorage
from jobs.menu import Menu
from jobs.orders.intake import Bounds
from jobs.orders.work import Executor
from jobs.resources import RESOURCES
from jobs.settings import Settings
from jobs.styles.shelf import BUILTIN, StyleShelf
from jobs.switches import Switches
from jobs.switches.booths import BoothSwitches
from jobs.switches.pools import PoolSwitches
from jobs.switches.servers import ServerSwitches
from jobs.trials import Trials

REDIS_CONNECT_SECONDS = 1.0
REDIS_COMMAND_SECONDS = 2.0
WEB_BUSY_SECONDS = 4.0
"""A booth hears of a locked database within 6 s: before this wait comes the turnstile's second, beside it the photo."""
WORKER_BUSY_SECONDS = 30.0
WORKER_CONNECTIONS = 6


class Farm:
    """Everything that one process of the farm needs. Building it connects to nothing; each part connects when used."""

    def __init__(self, settings: Settings, *, serves_web: bool = False) -> None:
        """`serves_web`: many threads, short waits. Otherwise a worker or reconciler: few threads, long waits."""
        self.settings = settings
        self.database = Database(
            settings.database,
            pool_size=settings.database_pool_size if serves_web else WORKER_CONNECTIONS,
            busy_seconds=WEB_BUSY_SECONDS if serves_web else WORKER_BUSY_SECONDS,
        )
        self.redis = connect_redis(settings)
        self.announcer = Announcer(self.redis)
        self.database.after_commit = self.announcer.announce
        self.storage = DiskStorage(settings.data_dir / "files", reserve_mb=settings.disk_reserve_mb)
        self.terms = Terms(settings.claim_s, settings.copies_max_age_s, settings.sweeper_port is not None)
        self.abilities = Abilities()
        self.bounds = Bounds(settings.queue_limit, settings.order_open_s, settings.task_deadline_s)
        folders = [BUILTIN, settings.styles_dir] if settings.styles_dir else [BUILTIN]
        self.shelf = StyleShelf(*folders)

    @cached_property
    def providers(self) -> dict[str, Provider]:
        """The cloud providers by name, configured or not."""
        return make_providers(self.settings)

    @cached_property
    def ladder(self) -> Ladder:
        """Which other way a step may be made."""
        return Ladder(self.abilities, self.providers, self.settings.fallback_pause_s)

    @cached_property
    def forecast(self) -> Forecast:
        """When what waits will be done."""
        return Forecast(Sources(self.settings, self.providers, self.ladder, self.abilities), self.shelf)

    @cached_property
    def menu(self) -> Menu:
        """What can be ordered."""
        return Menu(self.shelf, self.ladder)

    @cached_property
    def signer(self) -> Signer:
        """Makes and checks links."""
        return Signer(secret_key(self.settings))

    @cached_property
    def admission(self) -> Admission:
        """The intake."""
        return Admission(
            self.database, self.storage, self.announcer, self.menu, self.forecast, self.signer, self.bounds
        )

    @cached_property
    def interventions(self) -> Interventions:
        """Retry, redo, cancel, delete, another link."""
        return Interventions(self.database, self.eraser, self.menu, self.forecast, self.bounds, self.terms, self.signer)

    @cached_property
    def retention(self) -> Retention:
        """Erases orders for their age."""
        return Retention(self.database, self.terms, self.settings.retention_days)

    @cached_property
    def eraser(self) -> Eraser:
        """Works off what is owed of deleted orders in the farm's own places."""
        return Eraser(self.database, self.storage, self.announcer.forget_progress)

    @cached_property
    def trials(self) -> Trials:
        """Trying styles."""
        return Trials(self.database, self.admission)

    @cached_property
    def switches(self) -> Switches:
        """What operators switch."""
        servers, pools = ServerSwitches(self.database), PoolSwitches(self.database, self.settings)
        return Switches(self.database, self.providers, self.shelf, servers, pools, BoothSwitches(self.database))

    def taker(self, resource: str) -> Taker:
        """What a worker of this resource does at a ring."""
        limits = Limits(
            total=self.settings.limit_of(resource),
            by_provider={name: provider.limit for name, provider in self.providers.items()},
            depth=self.settings.comfyui_depth,
        )
        runner = Runner(
            self.database,
            self.storage,
            self.announcer,
            _make_executor(RESOURCES[resource].executor, self.settings),
            self.abilities,
            self.ladder,
            self.settings,
        )
        claims = Claims(resource, limits, self.abilities, self.settings.claim_s)
        return Taker(resource, self.database, self.redis, claims, runner)

    def reconciler(self) -> Reconciler:
        """The reconciler of this process."""
        return Reconciler(
            self.database, self.redis, self.storage, self.ladder, self.eraser, self.retention, self.settings
        )

    def close(self) -> None:
        """Give back every connection."""
        self.database.dispose()
        self.redis.close()


def connect_redis(settings: Settings) -> Redis:
    """A client for Redis; connects when first used. A command is never repeated by the library."""
    client: Redis = Redis.from_url(
        settings.redis,
        socket_connect_timeout=REDIS_CONNECT_SECONDS,
        socket_timeout=REDIS_COMMAND_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    return client


def _make_executor(path: str, settings: Settings) -> Executor:
    module, _, name = path.partition(":")
    made: Any = getattr(importlib.import_module(module), name)(settings)
    executor: Executor = made
    return executor
