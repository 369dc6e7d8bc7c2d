"""The farm runs out of disk, Redis or database: booths hear so in time, operators read what to do, work resumes."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from scripts.benching.postgres import empty_database, postgres_server
from scripts.simulators.comfyui import Settings, StandIn
from tests.acceptance.farm_process import Booth, FarmProcess, eventually, small_portrait
from tests.serving import log_in

BOOTH_SECONDS = 6.0
REDIS_SECONDS = 10.0
MEGABYTE = 1_000_000
MARGIN_MB = 400
"""Room for whoever else writes on this disk meanwhile."""
FEW = {"COMFYUI_WORKERS": "2"}


@dataclass
class Place:
    """A farm, its one server, a booth and an operator."""

    farm: FarmProcess
    server: StandIn
    booth: Booth
    operator: requests.Session
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 1_000)))

    def submit(self, order_id: str, photo: bytes | None = None) -> tuple[requests.Response, float]:
        """An order with a photo of its own, and how long its answer took."""
        photo = photo or small_portrait(next(self.numbers))
        begun = time.monotonic()
        answer = self.booth.submit(order_id, photo)
        return answer, time.monotonic() - begun

    def begin(self, order_id: str) -> None:
        """An order whose prompt is in its middle, until the server's faults are cleared."""
        hold = self.server.add_fault("hold", times=1)
        assert self.booth.submit_until_taken(order_id, small_portrait(next(self.numbers))).ok
        assert hold.happened.wait(30)

    def read_page(self) -> requests.Response:
        """What the operator sees at /ops/."""
        return self.operator.get(f"{self.farm.url}/ops/", timeout=30)

    def readiness(self) -> tuple[int, dict[str, Any]]:
        """Status and checks of /readyz."""
        answer = requests.get(f"{self.farm.url}/readyz", timeout=30)
        return answer.status_code, answer.json()

    def has_no_trouble(self) -> bool:
        """Is everything well, for booths and on the page?"""
        return self.readiness()[1]["status"] == "ok" and 'class="notice bad trouble"' not in self.read_page().text

    def files(self) -> int:
        """Photos on disk, half-written ones too."""
        return sum(path.is_file() for path in (self.farm.folder / "files" / "photos").rglob("*"))

    def submissions(self) -> list[str]:
        """The prompt id of each submission that the server saw."""
        return [row["prompt_id"] for row in self.server.log("submit")]


@contextmanager
def a_place(folder: Path, **settings: str) -> Iterator[Place]:
    """A running farm that is killed afterwards."""
    with StandIn(Settings(seconds=0.1)) as server:
        farm = FarmProcess(folder / "data", COMFYUI_URLS=server.url, **FEW | settings).start()
        try:
            yield Place(farm, server, Booth(farm, farm.make_key()), log_in(farm.url))
        finally:
            server.clear_faults()
            farm.kill()


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One farm for all tests but PostgreSQL's; each leaves it as it was. Its reserve is a little below what is free."""
    folder = tmp_path_factory.mktemp("running-out")
    reserve = shutil.disk_usage(folder).free // MEGABYTE - MARGIN_MB
    with a_place(folder, DISK_RESERVE_MB=str(reserve)) as place:
        yield place


def must_be_refused(answer: requests.Response, seconds: float, code: str) -> None:
    """An honest no, in time, with the moment to come back."""
    assert answer.status_code == 503, answer.text
    assert answer.json()["code"] == code
    assert answer.json()["retryable"] is True
    assert 1 <= int(answer.headers["Retry-After"]) <= 120
    assert seconds < BOOTH_SECONDS


def test_i17_a_disk_below_its_reserve_refuses_in_time_and_orders_are_taken_again_once_there_is_room(
    on_sqlite: Place, tmp_path: Path
) -> None:
    place = on_sqlite
    place.begin("before-the-disk")
    files = place.files()
    filler = place.farm.folder / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 2 * MARGIN_MB * MEGABYTE)
    try:
        must_be_refused(*place.submit("disk"), code="storage_full")
        assert place.files() == files  # nothing of it is left
        status, ready = place.readiness()
        assert (status, ready["checks"]["storage"]) == (503, "storage_full")
        page = place.read_page()
        assert page.status_code == 200
        assert "disk is nearly full" in page.text and "Free space on this disk" in page.text
        place.server.clear_faults()
        assert place.booth.follow("before-the-disk")["status"] == "succeeded"  # the reserve is there for this
    finally:
        filler.unlink()
    eventually(place.has_no_trouble, "the farm says that all is well again")
    assert place.submit("disk")[0].status_code == 202
    assert place.booth.follow("disk")["status"] == "succeeded"


@pytest.mark.parametrize(
    ("state", "line"), [("full", "Redis is full"), ("read_only", "Redis takes no changes: it is a replica")]
)
def test_i14_i17_a_redis_that_takes_nothing_refuses_no_order_and_all_of_them_are_made_once_it_does(
    on_sqlite: Place, state: str, line: str
) -> None:
    place, log = on_sqlite, on_sqlite.farm.folder / "up.log"
    redis = place.farm.redis()
    place.begin(f"before-{state}")
    deaths = log.read_text().count("a worker died")
    limit = redis.config_get("maxmemory")["maxmemory"]
    if state == "full":
        redis.config_set("maxmemory", 1)
    else:
        redis.replicaof("127.0.0.1", "1")  # nobody listens there
    try:
        for number in range(3):
            answer, seconds = place.submit(f"{state}-{number}")
            assert answer.status_code == 202, answer.text
            assert seconds < BOOTH_SECONDS
        status, ready = place.readiness()
        assert (status, ready["status"], ready["checks"]["redis"]) == (200, "degraded", state)
        page = place.read_page()
        assert page.status_code == 200
        assert line in page.text and "Orders are taken and wait" in page.text
        place.server.clear_faults()
        assert place.booth.follow(f"before-{state}")["status"] == "succeeded"
        assert [place.booth.order(f"{state}-{number}")["status"] for number in range(3)] == ["queued"] * 3
    finally:
        redis.config_set("maxmemory", limit) if state == "full" else redis.replicaof("no", "one")
    begun = time.monotonic()
    for number in range(3):
        assert place.booth.follow(f"{state}-{number}")["status"] == "succeeded"
    assert time.monotonic() - begun < REDIS_SECONDS
    assert place.has_no_trouble()
    assert log.read_text().count("a worker died") == deaths  # they wait inside


def test_i18_a_locked_sqlite_refuses_in_time_also_twins_and_a_made_picture_is_written_down_afterwards(
    on_sqlite: Place,
) -> None:
    place = on_sqlite
    place.begin("before-the-lock")
    files, before = place.files(), len(place.submissions())
    twin = small_portrait(900)
    lock = sqlite3.connect(place.farm.folder / "farm.sqlite3", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    try:
        with ThreadPoolExecutor(4) as threads:
            asked = [threads.submit(place.submit, "alone")]
            asked += [threads.submit(place.submit, "twin", twin) for _ in range(2)]
            page = threads.submit(place.read_page)
        for answer in asked:
            must_be_refused(*answer.result(), code="database_away")
        assert page.result().status_code == 200
        assert "holds its write lock" in page.result().text and "goes on by itself" in page.result().text
        status, ready = place.readiness()
        assert (status, ready["checks"]["database"]) == (503, "database_away")
        assert place.files() == files
        place.server.clear_faults()
        assert place.booth.order("before-the-lock")["status"] == "running"  # nobody could write more
    finally:
        lock.execute("ROLLBACK")
        lock.close()
    assert place.booth.follow("before-the-lock")["status"] == "succeeded"
    assert len(place.submissions()) == before  # adopted, if its claim ran out meanwhile
    eventually(place.has_no_trouble, "the farm says that all is well again")
    for order_id, photo in (("alone", None), ("twin", twin)):
        assert place.submit(order_id, photo)[0].status_code == 202
        assert place.booth.follow(order_id)["status"] == "succeeded"


def test_i18_a_stopped_postgresql_refuses_in_time_and_a_made_picture_is_written_down_afterwards(tmp_path: Path) -> None:
    # A server of its own, since the session's is everybody's.
    with postgres_server() as server, empty_database(server.get_uri()) as url:
        with a_place(tmp_path, DATABASE_URL=url) as place:
            place.begin("before")
            server.stop()
            must_be_refused(*place.submit("during"), code="database_away")
            assert place.readiness()[0] == 503
            page = place.read_page()
            assert page.status_code == 503 and "Retry-After" in page.headers
            assert "The database does not answer." in page.text and "Start the database again" in page.text
            place.server.clear_faults()  # the picture is made while nobody can write it down
            eventually(lambda: place.server.log("end"), "the prompt has ended")
            server.ensure_postgres_running()
            assert place.booth.follow("before")["status"] == "succeeded"
            assert len(place.submissions()) == 1
            eventually(place.has_no_trouble, "the farm says that all is well again")
            assert place.submit("during")[0].status_code == 202
            assert place.booth.follow("during")["status"] == "succeeded"
