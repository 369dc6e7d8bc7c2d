"""A deploy while booths submit: all processes end and come up on the same data; nothing fails or is sent twice."""

from __future__ import annotations

import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from scripts.simulators.comfyui import Settings, StandIn
from tests.acceptance.farm_process import Booth, FarmProcess, eventually, small_portrait

BOOTHS = 3
LEAST_BETWEEN = 6
SERVERS = 3
PROMPT_SECONDS = 0.4
PAUSE_SECONDS = 0.3
"""Between two guests of a booth: the load shall be there, and not take the deploy's processor."""


class Crowd:
    """Booths that repeat what was refused or cut off, as booths do, until each order of theirs is taken."""

    def __init__(self, booth: Booth) -> None:
        self.taken: list[str] = []
        self._booth = booth
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._play, args=(row,)) for row in range(BOOTHS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Each ends with the order that it has in hand."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def wait_for_more(self) -> None:
        """Return when some more orders have been taken."""
        wanted = len(self.taken) + LEAST_BETWEEN
        eventually(lambda: len(self.taken) >= wanted, "booths are served")

    def _play(self, row: int) -> None:
        number = 1_000 * (row + 1)
        while not self._stop.is_set():
            number += 1
            order_id, photo = f"deploy-{number}", small_portrait(number)
            while not self._is_taken(order_id, photo):
                self._stop.wait(0.1)
            self.taken.append(order_id)
            self._stop.wait(PAUSE_SECONDS)

    def _is_taken(self, order_id: str, photo: bytes) -> bool:
        try:
            answer = self._booth.submit(order_id, photo)
        except requests.ConnectionError:
            return False
        assert answer.status_code in (200, 202, 503), answer.text
        return answer.ok


def restart_everything(farm: FarmProcess, module: str) -> None:
    """What `up` or honcho does at SIGTERM; then the new version, by this one of them."""
    farm.stop()
    assert farm.process is not None and farm.process.returncode in (0, -signal.SIGTERM, 128 + signal.SIGTERM)
    farm.module = module
    farm.start()


@pytest.fixture
def servers() -> Iterator[list[StandIn]]:
    """ComfyUI stand-ins that live through the deploy, as servers do."""
    made = [StandIn(Settings(seconds=PROMPT_SECONDS)) for _ in range(SERVERS)]
    for server in made:
        server.start()
    yield made
    for server in made:
        server.stop()


def test_i16_two_deploys_under_load_fail_no_task_and_submit_nothing_twice(
    servers: list[StandIn], tmp_path: Path
) -> None:
    urls = ",".join(server.url for server in servers)
    farm = FarmProcess(tmp_path / "data", COMFYUI_URLS=urls, COMFYUI_WORKERS="3", CLAIM_S="30").start()
    booth = Booth(farm, farm.make_key())
    booth.submit_until_taken("first", small_portrait(1))
    crowd = Crowd(booth)
    try:
        for module in ("scripts.run_procfile", "scripts.launch"):  # so `up` is left once, and honcho is once
            crowd.wait_for_more()
            restart_everything(farm, module)
        crowd.wait_for_more()
        crowd.stop()
        for order_id in crowd.taken:
            assert booth.follow(order_id)["status"] == "succeeded"
        assert "SIGKILL" not in (farm.folder / "up.log").read_text()
        farm.stop()
    finally:
        crowd.stop()
        if farm.process is not None and farm.process.poll() is None:
            farm.kill()
    rows = read_steps(farm)
    assert rows and {status for _, status, _ in rows} == {"succeeded"}
    assert {attempt for _, _, attempt in rows} == {1}  # nobody had to take anything over
    sent = Counter(row["prompt_id"] for server in servers for row in server.log("submit"))
    assert set(sent.values()) == {1} and len(sent) == len(rows)


def read_steps(farm: FarmProcess) -> list[tuple[int, str, int]]:
    """Id, status and attempt of each step."""
    with sqlite3.connect(f"file:{farm.folder / 'farm.sqlite3'}?mode=ro", uri=True) as connection:
        return connection.execute("SELECT id, status, attempt FROM steps").fetchall()
