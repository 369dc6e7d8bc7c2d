"""SIGTERM while a prompt is being made, under honcho and under `./scripts/up`: it is finished, not killed."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from scripts.simulators.comfyui import Settings, StandIn
from tests.acceptance.farm_process import Booth, FarmProcess, ended, eventually, small_portrait

HELD_SECONDS = 8.0
"""Longer than the 5 s after which honcho kills when nobody has told it better."""


@contextmanager
def farm_below(folder: Path) -> Iterator[tuple[FarmProcess, StandIn, Booth]]:
    """A farm with one server; every process of it is killed in the end."""
    with StandIn(Settings(seconds=0.1)) as server:
        farm = FarmProcess(folder / "data", COMFYUI_URLS=server.url).start()
        try:
            yield farm, server, Booth(farm, farm.make_key())
        finally:
            server.clear_faults()
            assert farm.process is not None
            if farm.process.poll() is None:
                processes = farm.children()  # honcho's outlive it
                farm.process.kill()
                farm.process.wait(10)
                for process in processes:
                    if process.is_running():
                        process.kill()


def hold(server: StandIn, booth: Booth, order_id: str) -> None:
    """One prompt in work that does not end, and one step behind it in the same chain."""
    held = server.add_fault("hold", times=1)
    booth.submit_until_taken(order_id, small_portrait(1), style="poster-framed")
    assert held.happened.wait(30)


def list_steps(farm: FarmProcess) -> list[tuple[str, int]]:
    """Status and attempt of each step of the newest order, in order."""
    with sqlite3.connect(farm.folder / "farm.sqlite3") as connection:
        query = "SELECT status, attempt FROM steps WHERE task_id = (SELECT max(task_id) FROM steps) ORDER BY position"
        return connection.execute(query).fetchall()


def end_the_web(farm: FarmProcess) -> list[psutil.Process]:
    """SIGTERM to everything; returns when the web has ended, with all processes that there were."""
    processes = farm.children()
    web = [process for process in processes if "scripts.serve" in process.cmdline()]
    assert farm.process is not None and web
    farm.process.terminate()
    eventually(lambda: ended(web), "the web has ended")
    return processes


def test_a_prompt_of_eight_seconds_survives_sigterm_and_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with farm_below(tmp_path) as (farm, server, booth):
        assert_it_is_finished(farm, server, booth, next_start="scripts.run_procfile")
        assert_it_is_finished(farm, server, booth, next_start="scripts.run_procfile")
        assert_a_second_signal_ends_it(farm, server, booth)


def assert_it_is_finished(farm: FarmProcess, server: StandIn, booth: Booth, *, next_start: str) -> None:
    """The prompt in work is waited for; what comes behind it is the next start's, which this module does."""
    before = len(server.log("submit"))
    hold(server, booth, f"patient-{before}")
    processes = end_the_web(farm)
    assert farm.process is not None
    until = time.monotonic() + HELD_SECONDS
    while time.monotonic() < until:  # the prompt takes its time; nobody may lose patience meanwhile
        assert farm.process.poll() is None, (farm.folder / "up.log").read_text()
        time.sleep(0.1)
    server.clear_faults()
    farm.process.wait(30)
    assert ended(processes)
    assert "SIGKILL" not in (farm.folder / "up.log").read_text()
    assert list_steps(farm) == [("succeeded", 1), ("queued", 1)]
    assert len(server.log("submit")) - before == 1
    farm.module = next_start
    farm.start()
    eventually(lambda: list_steps(farm)[1] == ("succeeded", 1), "the next start finishes the chain")


def assert_a_second_signal_ends_it(farm: FarmProcess, server: StandIn, booth: Booth) -> None:
    """Nothing is waited for, and the next start adopts the prompt."""
    before = len(server.log("submit"))
    hold(server, booth, "hasty")
    processes = end_the_web(farm)
    assert farm.process is not None and farm.process.poll() is None
    farm.process.terminate()
    farm.process.wait(30)
    assert ended(processes)
    farm.start()
    server.clear_faults()
    eventually(lambda: {status for status, _ in list_steps(farm)} == {"succeeded"}, "the prompt is adopted")
    prompts = [row["prompt_id"] for row in server.log("submit")[before:]]
    assert len(set(prompts)) == len(prompts) == 2
