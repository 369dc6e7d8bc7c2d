"""The farm of a storm and all it stands on: disk, database, Redis, three ComfyUI stand-ins, the clouds, `up`."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs.database import Database
from scripts.benching.rig import NotMeasured, bare_environment, eventually, python_module, running
from scripts.booth_key import change_key
from scripts.embedded_redis import connect_as_admin, free_port
from scripts.launch import STAND_IN_NICE
from scripts.storming.clouds import CHAIN, Cloud, make_clouds, write_chain
from scripts.storming.databases import PostgresStore, SqliteStore, postgres_store
from scripts.storming.disk import Disk, small_disk
from scripts.storming.machines import Machine
from scripts.storming.processes import Processes

SERVERS = 3
PICTURE_SECONDS = 0.4
CLAIM_SECONDS = 3.0
COMFYUI_WORKERS, COMFYUI_LIMIT, COMFYUI_DEPTH = 5, 4, 2
API_WORKERS, API_LIMIT = 3, 3
QUEUE_LIMIT = 12
TIMINGS = {
    "CLAIM_S": str(CLAIM_SECONDS),
    "SWEEP_S": "0.3",
    "RING_S": "0.6",
    "PROBE_S": "0.5",
    "REFUSED_S": "1",
    "SILENT_S": "3",
    "STALL_S": "10",
    "LOOKUP_GAP_S": "0.3",
    "CRASH_WAIT_S": "0.5",
    "BRAKE_RATE_S": "4",
    "BRAKE_BREAKER_S": "3",
    "BRAKE_QUOTA_S": "4",
    "BRAKE_ACCOUNT_S": "4",
}
"""Shrunken, so that minutes show what else takes hours."""
SIZES = {
    "COMFYUI_WORKERS": str(COMFYUI_WORKERS),
    "COMFYUI_LIMIT": str(COMFYUI_LIMIT),
    "COMFYUI_DEPTH": str(COMFYUI_DEPTH),
    "API_WORKERS": str(API_WORKERS),
    "API_LIMIT": str(API_LIMIT),
    "QUEUE_LIMIT": str(QUEUE_LIMIT),
    "BOOTH_RATE": "10000",
    "WEB_THREADS": "96",
}
REDIS_SECONDS = 0.5
STEER_SECONDS = 1.0
HEAL_SECONDS = 60.0
STOP_SECONDS = 30.0
STYLES = {
    "framed-print": 64,
    "poster-framed": 11,
    "watercolour-cloud": 7,
    "comic-cloud": 6,
    "ink-wash-cloud": 6,
    "poster-linocut": 3,
    CHAIN: 3,
}
"""How often each is ordered: a quarter at the clouds, chains both ways among them."""


@dataclass
class Place:
    """Everything that a storm can hit."""

    folder: Path
    disk: Disk
    store: SqliteStore | PostgresStore
    redis: Machine
    comfyui: dict[str, Machine]
    """By the server's URL."""
    clouds: dict[str, Cloud]
    """By the provider's name."""
    url: str = ""
    environment: dict[str, str] | None = None
    processes: Processes | None = None
    second_reconciler: Machine | None = None
    launcher: subprocess.Popen[str] | None = None

    @property
    def stand_ins(self) -> dict[str, Machine]:
        """What plays the outside, by the URL at which it is steered."""
        return self.comfyui | {cloud.url: cloud.machine for cloud in self.clouds.values()}

    def connect_redis(self) -> Redis:
        """As its admin; every command is answered soon or fails. The client's own retries would hold the storm up."""
        home, once = self.folder / "redis-home" / "redis", Retry(NoBackoff(), 0)
        return connect_as_admin(home, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS, retry=once)

    def wipe_redis(self) -> None:
        """Delete what it would read at its next start."""
        shutil.rmtree(self.folder / "redis-home" / "redis" / "appendonlydir", ignore_errors=True)

    def heal(self) -> None:
        """End whatever is still broken. Raises NotMeasured when something cannot be brought back."""
        if self.second_reconciler is not None:
            self.second_reconciler.end()
        self.disk.clear()
        self.store.heal()
        for machine in (self.redis, *self.stand_ins.values()):
            machine.wake()
            machine.start()
        if self.processes is not None:
            self.processes.wake_all()
        eventually(self._has_room_in_redis, "Redis answers", HEAL_SECONDS)
        for url in self.stand_ins:
            eventually(lambda url=url: clear_faults(url), f"{url} answers without faults", HEAL_SECONDS)  # type: ignore[misc]

    def _has_room_in_redis(self) -> bool:
        try:
            return bool(self.connect_redis().config_set("maxmemory", "256mb"))
        except (RedisError, OSError):
            return False

    def stop(self) -> bool:
        """SIGTERM for the farm, and wait; whether it ended by itself and well."""
        if self.launcher is None:
            return False
        self.launcher.terminate()
        try:
            return self.launcher.wait(STOP_SECONDS) == 0
        except subprocess.TimeoutExpired:
            return False

    def is_ready(self) -> bool:
        """Does the web tier say that it can work?"""
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).ok
        except requests.RequestException:
            return False


def clear_faults(url: str) -> bool:
    """End all faults of a stand-in; whether it answered."""
    try:
        return requests.delete(f"{url}/_standin/faults", timeout=STEER_SECONDS).ok
    except requests.RequestException:
        return False


@contextmanager
def opened_place(folder: Path, *, database: str) -> Iterator[Place]:
    """The whole place, running; all of it ends with the block. Raises NotMeasured when it does not come up."""
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(folder / "data"))
        store: SqliteStore | PostgresStore = (
            stack.enter_context(postgres_store())
            if database == "postgresql"
            else SqliteStore(folder / "data" / "farm.sqlite3")
        )
        place = _surroundings(folder, disk, store)
        for machine in (place.redis, *place.stand_ins.values()):
            stack.callback(machine.end)
            machine.start()
        eventually(lambda: _answers(place), f"Redis and the stand-ins are up; their messages: {folder}")
        port = free_port()
        place.url = f"http://127.0.0.1:{port}"
        own = {
            "DATA_DIR": str(folder / "data"),
            "PORT": str(port),
            "ADMIN_PASSWORD": "the password of a storm",
            "REDIS_URL": (folder / "redis-home" / "redis" / "url").read_text(),
            "DATABASE_URL": store.url,
            "COMFYUI_URLS": ",".join(place.comfyui),
            "STYLES_DIR": str(write_chain(folder)),
            "SIMULATE": "true",
            "DISK_RESERVE_MB": str(disk.reserve_mb),
        }
        place.environment = bare_environment() | TIMINGS | SIZES | own
        for cloud in place.clouds.values():
            place.environment |= cloud.environment
        log = folder / "farm.log"
        launcher = stack.enter_context(running(python_module("scripts.launch"), log=log, environment=place.environment))
        place.launcher = launcher
        place.processes = Processes(launcher.pid, place.connect_redis)
        place.second_reconciler = Machine(
            "second reconciler", ["scripts.reconcile"], log=log, environment=place.environment
        )
        stack.callback(place.second_reconciler.end)
        eventually(place.is_ready, f"the farm is up; its log: {log}")
        yield place
        place.processes.wake_all()


def _surroundings(folder: Path, disk: Disk, store: SqliteStore | PostgresStore) -> Place:
    home = folder / "redis-home"
    home.mkdir()
    environment = {"DATA_DIR": str(home)}
    server = Machine(
        "redis", ["scripts.embedded_redis", str(free_port())], log=folder / "redis.log", environment=environment
    )
    options = ["--seconds", str(PICTURE_SECONDS), "--die-with-parent", str(os.getpid()), "--log"]
    comfyui = {}
    for number in range(1, SERVERS + 1):
        port = free_port()
        module = ["scripts.simulators.comfyui", "--port", str(port), *options, str(folder / "comfyui.jsonl")]
        comfyui[f"http://127.0.0.1:{port}"] = Machine(
            f"comfyui {number}", module, log=folder / "stand-ins.log", nice=STAND_IN_NICE
        )
    return Place(folder, disk, store, server, comfyui, make_clouds(folder, seconds=PICTURE_SECONDS))


def _answers(place: Place) -> bool:
    try:
        place.connect_redis().ping()
    except (RedisError, OSError):
        return False
    return all(clear_faults(url) for url in place.stand_ins)


def made_keys(place: Place, count: int) -> list[str]:
    """A key for each of so many booths, once the farm can make every style that is ordered here."""
    database = Database(place.store.url)
    try:
        keys = [str(change_key(database, f"storm-{number}", rotate=False, revoke=False)) for number in range(count)]
    finally:
        database.dispose()

    def is_served() -> bool:
        answer = requests.get(f"{place.url}/api/v1/styles", headers={"Authorization": f"Bearer {keys[0]}"}, timeout=5)
        available = {style["name"] for style in answer.json().get("styles", []) if style["available"]}
        return available.issuperset(STYLES)

    eventually(is_served, "the farm can make " + ", ".join(STYLES))
    return keys


def wait_for_workers(place: Place) -> None:
    """Return once every worker lives and RQ knows it: from then on, names are known."""
    until = time.monotonic() + HEAL_SECONDS
    while time.monotonic() < until:
        if len(place.connect_redis().smembers("rq:workers")) >= COMFYUI_WORKERS + API_WORKERS:
            return
        time.sleep(0.1)
    raise NotMeasured("the farm's workers did not come up")
