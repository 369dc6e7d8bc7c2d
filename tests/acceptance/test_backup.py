"""A backup taken under load, restored into an empty folder: every task that was acknowledged before it is there."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from PIL import Image

from scripts.simulators import marks
from scripts.simulators.comfyui import StandIn
from tests.acceptance.conftest import StartFarm
from tests.acceptance.farm_process import ROOT, Booth, FarmProcess, eventually, small_portrait

BOOTHS = 3
LEAST_BEFORE = 12
PAUSE_SECONDS = 0.3
"""Between two guests of a booth: the load shall be there, and every order of it is followed to its end."""


@pytest.fixture(params=["sqlite", "postgresql"])
def two_databases(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Where the farm keeps its rows, and an empty place of the same kind."""
    if request.param == "sqlite":
        yield "", ""
        return
    address = request.getfixturevalue("postgres_address")
    head, _, query = address.partition("?")
    names = [f"backup_{uuid.uuid4().hex[:12]}" for _ in range(2)]
    with psycopg.connect(address, autocommit=True) as connection:
        for name in names:
            connection.execute(f'CREATE DATABASE "{name}"')
    first, second = (
        f"{head.rsplit('/', 1)[0]}/{name}?{query}".replace("postgresql://", "postgresql+psycopg://") for name in names
    )
    yield first, second
    with psycopg.connect(address, autocommit=True) as connection:
        for name in names:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


class Crowd:
    """Booths that submit, one order after the other, until told to stop; what was acknowledged, in order."""

    def __init__(self, booth: Booth) -> None:
        self._booth = booth
        self._stop = threading.Event()
        self.taken: list[tuple[str, int, str, str]] = []
        """(order id, number in the photo, task id, hash of the photo) of each answered 202."""
        self._threads = [threading.Thread(target=self._play, args=(number,)) for number in range(BOOTHS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _play(self, row: int) -> None:
        number = 1_000 * (row + 1)
        while not self._stop.is_set():
            number += 1
            photo = small_portrait(number)
            style = "poster-framed" if number % 5 == 0 else "framed-print"
            answer = self._booth.submit(f"load-{number}", photo, style=style)
            if answer.status_code == 202:
                task = answer.json()["tasks"][0]
                assert task["photo"]["sha256"] == hashlib.sha256(photo).hexdigest()
                self.taken.append((f"load-{number}", number, task["task_id"], task["photo"]["sha256"]))
            else:
                assert answer.status_code == 503, answer.text
            self._stop.wait(PAUSE_SECONDS)


def command(name: str, farm: FarmProcess, path: Path) -> subprocess.CompletedProcess[str]:
    """`./scripts/backup` or `./scripts/restore` with a farm's settings."""
    return subprocess.run(
        [sys.executable, "-m", f"scripts.{name}", str(path)],
        cwd=ROOT,
        env=farm.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_farm_restored_from_a_backup_under_load_has_every_task_and_goes_on(
    start_farm: StartFarm, two_databases: tuple[str, str], tmp_path: Path
) -> None:
    farm, booth, stand_ins = start_farm(servers=3, seconds=0.2, DATABASE_URL=two_databases[0], COMFYUI_WORKERS="6")
    guest, ended, held = prepare_states(booth, stand_ins)
    crowd = Crowd(booth)
    path = tmp_path / "evening.backup"
    try:
        eventually(lambda: len(crowd.taken) >= LEAST_BEFORE, "the booths are at work")
        before = list(crowd.taken)
        taken = command("backup", farm, path)
        assert taken.returncode == 0, taken.stderr
        eventually(lambda: len(crowd.taken) > len(before) + 4, "the farm went on taking orders meanwhile")
    finally:
        crowd.stop()
    farm.kill()
    stand_ins[1].restart()  # its memory is lost: what it had in work must be made again
    refused = command("restore", farm, path)
    assert refused.returncode == 1 and "not empty" in refused.stderr and refused.stderr.count("\n") == 1

    second = FarmProcess(
        tmp_path / "second", COMFYUI_URLS=farm.environment["COMFYUI_URLS"], DATABASE_URL=two_databases[1]
    )
    restored = command("restore", second, path)
    assert restored.returncode == 0, restored.stderr
    assert_files_are_those_of(path, second.folder)
    for stand_in in stand_ins:
        stand_in.clear_faults()
    second.start()
    try:
        again = Booth(second, booth.key)
        for order_id, status in ended.items():
            assert again.order(order_id)["status"] == status
        for order_id in held:
            assert again.follow(order_id)["status"] == "succeeded"
        assert_the_held_were_adopted_or_made_again(stand_ins)
        for order_id, number, task_id, sha256 in before:
            order = again.follow(order_id)
            (task,) = order["tasks"]
            assert (order["status"], task["task_id"], task["photo"]["sha256"]) == ("succeeded", task_id, sha256)
            assert marks.read(Image.open(io.BytesIO(again.picture(task)))) == number
        assert requests.get(second.url + guest, timeout=10).status_code == 200
        repeated = again.submit(before[0][0], small_portrait(before[0][1]), style=style_of(before[0][1]))
        assert (repeated.status_code, repeated.json()["duplicate"]) == (200, True)
    finally:
        second.kill()


def style_of(number: int) -> str:
    """What the crowd orders with this photo."""
    return "poster-framed" if number % 5 == 0 else "framed-print"


def prepare_states(booth: Booth, stand_ins: list[StandIn]) -> tuple[str, dict[str, str], list[str]]:
    """Orders that have ended in every way, and two whose prompts are held: one on each of the first two servers."""
    booth.submit_until_taken("done", small_portrait(1))
    done = booth.follow("done")
    for stand_in in stand_ins:
        stand_in.add_fault("exec_error", times=3)
    booth.submit("fails", small_portrait(3))
    booth.follow("fails")
    for stand_in in stand_ins:
        stand_in.clear_faults()
    holds = [stand_in.add_fault("hold", times=1) for stand_in in stand_ins[:2]]
    held: list[str] = []
    while not all(hold.happened.is_set() for hold in holds):
        held.append(f"held-{len(held)}")
        booth.submit(held[-1], small_portrait(100 + len(held)))
        eventually(lambda: booth.order(held[-1])["status"] != "queued", "it has begun")
    booth.submit("canceled", small_portrait(4))
    booth.request("POST", "/orders/canceled/cancel")
    booth.follow("canceled")
    ended: dict[str, str] = {name: booth.order(name)["status"] for name in ("done", "fails", "canceled")}
    assert (ended["done"], ended["fails"]) == ("succeeded", "failed")
    guest: str = done["guest"]["url"]
    return "/g/" + guest.split("/g/")[1], ended, held


def assert_files_are_those_of(path: Path, folder: Path) -> None:
    """Every file of the backup lies in the new folder with the hash that the backup names, and no other file does."""
    with tarfile.open(path) as tar:
        manifest: dict[str, Any] = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
    named = {name: digest for name, digest in manifest["sha256"].items() if name.startswith("files/")}
    there = {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in (folder / "files").rglob("*.jpg")
    }
    assert there == named and manifest["missing"] == []
    assert len(named) == manifest["counts"]["files"]


def assert_the_held_were_adopted_or_made_again(stand_ins: list[StandIn]) -> None:
    """The server that kept its memory was sent each prompt once."""
    kept = Counter(row["prompt_id"] for row in stand_ins[0].log("submit"))
    assert set(kept.values()) == {1}
