"""The farm that faults are tried on: `./scripts/up` with gates before its Redis and before the place of its work.

Its times are shrunk by settings, except the wait after a second crash. Each case starts when it is at rest again.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
import redis
import requests
from sqlalchemy import text

from jobs.database import Database
from jobs.engine.rings import ring
from tests.acceptance.farm_process import Booth, FarmProcess, ended
from tests.acceptance.farm_process import eventually as patiently
from tests.faults.gate import Gate
from tests.faults.places import Place, Row

T = TypeVar("T")
WORKERS = 2
CLAIM_SECONDS = 2.0
LOOK_SECONDS = 0.02
PATIENCE_SECONDS = 40.0
SETTINGS = {
    "CLAIM_S": str(CLAIM_SECONDS),
    "CRASH_WAIT_S": "10",
}


def eventually(look: Callable[[], T | None], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """The first truthy answer of `look`, which may fail while processes and files come and go."""
    until = time.monotonic() + seconds
    while True:
        with suppress(psutil.Error, FileNotFoundError, requests.RequestException):
            answer = look()
            if answer:
                return answer
        assert time.monotonic() < until, f"not seen within {seconds:.0f} s: {what}"
        time.sleep(LOOK_SECONDS)


class FaultFarm(FarmProcess):
    """A farm, what it stands between, and every look at it that a case needs."""

    def __init__(self, folder: Path, place: Place, redis_port: int, database_url: str) -> None:
        self.place, self.stand_in = place, place.stand_in
        self.redis_port = redis_port
        self.redis_gate, self.gate = Gate(redis_port), Gate(place.stand_in.port)
        self.database_url = database_url or f"sqlite:///{folder / 'farm.sqlite3'}"
        addresses = {
            "REDIS_URL": f"redis://127.0.0.1:{self.redis_gate.port}/0",
            "DATABASE_URL": self.database_url,
        }
        super().__init__(folder, **SETTINGS, **addresses, **place.settings(folder, self.gate.port, WORKERS))
        self.database = Database(self.database_url)
        self.booth: Booth

    @contextmanager
    def running(self) -> Iterator[FaultFarm]:
        """Started, with a booth whose orders are taken; ended with the block."""
        with self.redis() as client:
            client.flushall()
        with self.redis_gate, self.gate:
            try:
                self.start()
                self.booth = Booth(self, self.make_key())
                patiently(self._offers_styles, "the styles are available")
                yield self
            finally:
                self.stand_in.clear_faults()
                if self.process is not None and self.process.poll() is None:
                    self.kill()
                self.database.dispose()

    def redis(self) -> redis.Redis:
        """Past the gate."""
        return redis.Redis(port=self.redis_port)

    # Processes ------------------------------------------------------------------------------------------------------

    def web(self) -> psutil.Process:
        return self.service("scripts.serve")

    def pool(self) -> psutil.Process:
        return self.service("scripts.worker_pool", self.place.resource)

    def workers(self) -> list[psutil.Process]:
        """The live processes of the place's pool."""
        return [worker for worker in self.pool().children() if worker.status() != psutil.STATUS_ZOMBIE]

    def service(self, *words: str) -> psutil.Process:
        """As the parent's; processes may end while we look."""

        def look() -> psutil.Process | None:
            assert self.process is not None
            for child in psutil.Process(self.process.pid).children():
                with suppress(psutil.Error):
                    if all(word in child.cmdline() for word in words):
                        return child
            return None

        return eventually(look, f"the process {' '.join(words)}")

    def owner(self, port: int) -> psutil.Process | None:
        """The process of the farm whose connection comes from this port, if it still has it."""
        for process in self.children():
            with suppress(psutil.Error):
                if any(connection.laddr.port == port for connection in process.net_connections("tcp4")):
                    return process
        return None

    def is_web(self, port: int) -> bool:
        return self.owner(port) == self.web()

    def is_worker(self, port: int) -> bool:
        return self.owner(port) in self.workers()

    def is_reconciler(self, port: int) -> bool:
        return self.owner(port) == self.service("scripts.reconcile")

    def worker_named(self, name: str) -> psutil.Process:
        """The process of a worker, by the name that the database knows."""
        return psutil.Process(self.worker_pids()[name])

    def busy_workers(self) -> list[str]:
        """Names of live workers that have a ring in hand."""
        live = {worker.pid for worker in self.workers()}
        with self.redis() as client:
            states = {name: client.hget(f"rq:worker:{name}", "state") for name in self.worker_pids()}
        return [name for name, pid in self.worker_pids().items() if pid in live and states.get(name) == b"busy"]

    # Rows and files -------------------------------------------------------------------------------------------------

    def rows(self, query: str, **values: Any) -> list[Row]:
        """What a query answers."""
        return self.database.read(
            lambda session: [dict(row) for row in session.execute(text(query), values).mappings()]
        )

    def steps_of(self, order_id: str) -> list[Row]:
        """The steps of an order, in their order."""
        return self.rows(
            "SELECT steps.*, tasks.status AS task_status FROM steps JOIN tasks ON tasks.id = steps.task_id"
            " JOIN orders ON orders.id = tasks.order_id WHERE orders.order_id = :order_id ORDER BY steps.id",
            order_id=order_id,
        )

    def files(self, folder: str) -> set[str]:
        """Names of the whole files in a folder of the storage."""
        return {path.name for path in (self.folder / "files" / folder).glob("*/*.jpg")}

    @contextmanager
    def write_lock(self) -> Iterator[None]:
        """SQLite's write lock, held by us."""
        connection = sqlite3.connect(self.folder / "farm.sqlite3", isolation_level=None, timeout=10)
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.close()

    # Rest -----------------------------------------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """Return once every process is there, nothing is open, nothing is rung and nobody has a ring in hand."""
        eventually(self.is_at_rest, "the farm is at rest")

    def is_at_rest(self) -> bool:
        with self.redis() as client:
            if client.llen(f"rq:queue:{self.place.resource}"):
                return False
        workers, known = self.workers(), self.worker_pids()
        if len(workers) != WORKERS or not {worker.pid for worker in workers} <= set(known.values()):
            return False
        if self.stand_in.stats()[self.place.in_flight]:
            return False
        return not self.open_rows() and not self.busy_workers() and self._offers_styles()

    def open_rows(self) -> list[Row]:
        """Whatever has not come to its end: steps, tasks and calls."""
        ends = "('succeeded', 'failed', 'canceled')"
        return self.rows(
            f"SELECT 'step' AS what, id, status FROM steps WHERE status NOT IN {ends}"  # noqa: S608  fixed words
            f" UNION ALL SELECT 'task', id, status FROM tasks WHERE status NOT IN {ends}"
            " UNION ALL SELECT 'call', id, state FROM calls WHERE state <> 'closed'"
        )

    def ring_in_vain(self, step: Row) -> None:
        """Ring again, once for each worker, for a step that is over; return once all were heard."""
        ours = f"rq:job:ring-{step['id']}-{step['attempt']}-*"
        with self.redis() as client:
            before = set(client.scan_iter(ours, count=1000))
            for _ in range(WORKERS):
                ring(client, self.place.resource, step["id"], step["attempt"])
            new = set(client.scan_iter(ours, count=1000)) - before
            assert len(new) == WORKERS
            eventually(lambda: all(client.hget(key, "status") == b"finished" for key in new), "rings were heard")

    def _offers_styles(self) -> bool:
        answer = self.booth.request("GET", "/styles")
        offered = answer.json()["styles"] if answer.ok else []
        return set(self.place.styles) <= {style["name"] for style in offered if style["available"]}


def wait_until_ended(processes: list[psutil.Process]) -> None:
    """Return once none of them lives; then the kernel has closed their connections."""
    eventually(lambda: ended(processes), "killed processes have ended")
