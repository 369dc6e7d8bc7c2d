"""SIGTERM while a prompt is being made, under honcho and under `./scripts/up`: it is finished, not killed."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from scripts.simulators.comfyui import Settings, StandIn
from scripts.simulators.photos import portrait
from tests.acceptance.farm_process import Booth, FarmProcess, ended, eventually

HELD_SECONDS = 8.0
"""Longer than the 5 s after which honcho kills when nobody has told it better."""


@pytest.fixture(params=["scripts.run_procfile", "scripts.launch"])
def held_farm(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[FarmProcess, StandIn]]:
    """A farm with one prompt in work that does not end, and one step behind it in the same chain."""
    with StandIn(Settings(seconds=0.1)) as server:
        farm = FarmProcess(tmp_path / "data", module=request.param, COMFYUI_URLS=server.url).start()
        assert farm.process is not None
        processes = [psutil.Process(farm.process.pid), *farm.children()]
        try:
            booth = Booth(farm, farm.make_key())
            hold = server.add_fault("hold", times=1)
            booth.submit_until_taken("order", portrait(1), style="poster-framed")
            assert hold.happened.wait(30)
            yield farm, server
        finally:
            server.clear_faults()
            for process in processes:
                if process.is_running():
                    process.kill()
            farm.process.wait(10)


def list_steps(farm: FarmProcess) -> list[tuple[str, int]]:
    """Status and attempt of each step, in order."""
    with sqlite3.connect(farm.folder / "farm.sqlite3") as connection:
        return connection.execute("SELECT status, attempt FROM steps ORDER BY position").fetchall()


def test_a_prompt_of_eight_seconds_survives_sigterm(held_farm: tuple[FarmProcess, StandIn]) -> None:
    farm, server = held_farm
    processes = farm.children()
    web = [process for process in processes if "scripts.serve" in process.cmdline()]
    assert farm.process is not None and web
    farm.process.terminate()
    eventually(lambda: ended(web), "the web has ended")
    until = time.monotonic() + HELD_SECONDS
    while time.monotonic() < until:  # the prompt takes its time; nobody may lose patience meanwhile
        assert farm.process.poll() is None, (farm.folder / "up.log").read_text()
        time.sleep(0.1)
    server.clear_faults()
    farm.process.wait(30)
    assert ended(processes)
    assert "SIGKILL" not in (farm.folder / "up.log").read_text()
    assert list_steps(farm) == [("succeeded", 1), ("queued", 1)]  # the second one is the next start's
    assert len(server.log("submit")) == 1
    farm.start()
    eventually(lambda: list_steps(farm)[1] == ("succeeded", 1), "the next start finishes the chain")
    farm.stop()


@pytest.mark.parametrize("held_farm", ["scripts.run_procfile"], indirect=True)
def test_a_second_signal_ends_it_at_once_and_the_next_start_adopts_the_prompt(
    held_farm: tuple[FarmProcess, StandIn],
) -> None:
    farm, server = held_farm
    processes = farm.children()
    web = [process for process in processes if "scripts.serve" in process.cmdline()]
    assert farm.process is not None and web
    farm.process.terminate()
    eventually(lambda: ended(web), "the web has ended")
    assert farm.process.poll() is None
    farm.process.terminate()
    farm.process.wait(30)
    assert ended(processes)
    farm.start()
    server.clear_faults()
    eventually(lambda: {status for status, _ in list_steps(farm)} == {"succeeded"}, "the prompt is adopted")
    assert len({row["prompt_id"] for row in server.log("submit")}) == len(server.log("submit")) == 2
    farm.stop()
