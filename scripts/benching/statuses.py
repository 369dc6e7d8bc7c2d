"""Status answers: how long they take, and whether 200,000 finished tasks in the database make them slower."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import requests

from jobs.database import Database
from jobs.database.migrate import migrate
from jobs.settings import Settings
from scripts.benching import photos
from scripts.benching.booths import Booth, WrongAnswer
from scripts.benching.farm import ADMIN_PASSWORD, STYLE, Farm, StandIns, farm, stand_ins
from scripts.benching.figures import Figure, percentile
from scripts.benching.filling import fill
from scripts.benching.postgres import empty_database, postgres_server
from scripts.benching.rig import Bench

TASKS = 200_000
HARDLY_ANY = 200
ROUNDS, ASKS = 7, 20
P95_MS, SLOWER = 20.0, 1.2
PAGES = ("order", "task", "queue", "stats", "list")
HOW_P95 = "GET {page} on an idle farm with {tasks} finished tasks in {kind}, p95 of {asks} in each round"
HOW_RATIO = (
    "GET {page}: the median of {asks} with {tasks} finished tasks in {kind} over the median of as many with hardly "
    "any, asked in turn, in each round"
)


@dataclass(frozen=True)
class Asker:
    """One client of one farm, with the paths that it asks for."""

    booth: Booth
    paths: dict[str, str]
    cookie: str

    def ask(self, page: str) -> float:
        """Milliseconds until the answer is there. Raises WrongAnswer."""
        headers = {"Cookie": self.cookie} if page == "list" else {}
        begun = time.perf_counter()
        status, body = self.booth.request("GET", self.paths[page], headers=headers)
        took = (time.perf_counter() - begun) * 1000
        if status != 200:
            raise WrongAnswer(f"GET {self.paths[page]} was answered {status}: {body[:300]!r}")
        return took


def measure_sqlite(bench: Bench) -> list[Figure]:
    """Two farms with SQLite."""
    return _measure(bench, "SQLite", None)


def measure_postgresql(bench: Bench) -> list[Figure]:
    """Two farms with databases of one PostgreSQL server."""
    with postgres_server() as server:
        return _measure(bench, "PostgreSQL", server.get_uri())


def _measure(bench: Bench, kind: str, server: str | None) -> list[Figure]:
    tasks = bench.choose(TASKS, 2_000)
    with ExitStack() as stack:
        servers = stack.enter_context(stand_ins(bench, servers=1, seconds=0.1))
        full = stack.enter_context(_farm_with(bench, servers, server, tasks))
        asked = ask_for(full)
        if bench.quick:  # one farm goes the whole way too
            return _measure_kind(bench, kind, tasks, asked, asked)
        small = stack.enter_context(_farm_with(bench, servers, server, HARDLY_ANY))
        return _measure_kind(bench, kind, tasks, ask_for(small), asked)


def _measure_kind(bench: Bench, kind: str, tasks: int, small: Asker, full: Asker) -> list[Figure]:
    rounds, asks = bench.choose((max(ROUNDS, bench.repeats), ASKS), (1, 3))
    high: dict[str, list[float]] = {page: [] for page in PAGES}
    ratios: dict[str, list[float]] = {page: [] for page in PAGES}
    for _ in range(rounds):
        for page in PAGES:
            pairs = [(small.ask(page), full.ask(page)) for _ in range(asks)]
            high[page].append(percentile([pair[1] for pair in pairs], 0.95))
            ratios[page].append(
                statistics.median(pair[1] for pair in pairs) / statistics.median(pair[0] for pair in pairs)
            )
    figures = []
    for page in PAGES:
        known = {"page": {"list": "/ops/orders (the operators' list)"}.get(page, page), "tasks": tasks, "kind": kind}
        how, how_ratio = HOW_P95.format(asks=asks, **known), HOW_RATIO.format(asks=asks, **known)
        figures.append(Figure(f"{page} p95, {kind}", how, "ms", high[page], P95_MS))
        figures.append(Figure(f"{page} when full, {kind}", how_ratio, "× empty", ratios[page], SLOWER))
        bench.say(
            f"status, {kind}, {page}: p95 {statistics.median(high[page]):.1f} ms, "
            f"{statistics.median(ratios[page]):.2f} × with {tasks} tasks"
        )
    return figures


@contextmanager
def _farm_with(bench: Bench, servers: StandIns, postgres: str | None, tasks: int) -> Iterator[Farm]:
    """A farm whose database holds so many finished tasks."""
    with ExitStack() as stack:
        folder = bench.new_folder("farm")
        settings = {"DATABASE_URL": stack.enter_context(empty_database(postgres))} if postgres else {}
        url = settings.get("DATABASE_URL") or Settings(_env_file=None, data_dir=folder / "data").database
        (folder / "data").mkdir()
        bench.say(f"filling a database with {tasks} tasks")
        database = Database(url)
        migrate(database)
        fill(database, tasks)
        database.dispose()
        yield stack.enter_context(farm(bench, servers.urls, folder=folder, **settings))


def ask_for(started: Farm) -> Asker:
    """A client with an order of its own that is done, logged in as an operator besides."""
    booth = started.booths(1)[0]
    trip = booth.order("asked-for", photos.small(1), STYLE)
    task_id = booth.get(f"/orders/{trip.order_id}")["tasks"][0]["task_id"]
    paths = {
        "order": f"/api/v1/orders/{trip.order_id}",
        "task": f"/api/v1/tasks/{task_id}",
        "queue": "/api/v1/queue",
        "stats": "/api/v1/stats",
        "list": "/ops/orders",
    }
    asker = Asker(booth, paths, log_in(started.url))
    for page in PAGES:
        asker.ask(page)  # what is only slow once has been
    return asker


def log_in(url: str) -> str:
    """The Cookie header of an operator who is logged in. Raises WrongAnswer."""
    with requests.Session() as session:
        session.trust_env = False
        page = session.get(f"{url}/ops/login", timeout=30).text
        token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
        form = {"username": "admin", "password": ADMIN_PASSWORD, "csrf_token": token}
        answer = session.post(f"{url}/ops/login", data=form, timeout=30)
        if answer.status_code != 200 or "password" in answer.url:
            raise WrongAnswer(f"the operator could not log in: {answer.status_code}")
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in session.cookies)
