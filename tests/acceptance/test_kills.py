"""Processes killed with kill -9 in the middle of a prompt: the task finishes, and the prompt was submitted once."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter

import psutil
import pytest

from scripts.simulators.comfyui import StandIn
from tests.acceptance.conftest import StartFarm
from tests.acceptance.farm_process import Booth, FarmProcess, ended, eventually, small_portrait

Place = tuple[FarmProcess, Booth, list[StandIn]]


@pytest.fixture(scope="module")
def one_server(start_shared_farm: StartFarm) -> Place:
    """A farm with one server; each test leaves it at work."""
    return start_shared_farm(servers=1)


@pytest.fixture(scope="module")
def two_servers(start_shared_farm: StartFarm) -> Place:
    """One with two, and a limit below what they would take. The last test of it leaves one of them dead."""
    return start_shared_farm(servers=2, seconds=0.2, COMFYUI_LIMIT="2")


def submissions(stand_ins: list[StandIn]) -> Counter[str]:
    """Prompt id -> how often it was submitted, over all servers."""
    return Counter(row["prompt_id"] for stand_in in stand_ins for row in stand_in.log("submit"))


def assert_once(stand_ins: list[StandIn], prompts: int) -> None:
    """So many prompts were submitted since the stand-ins began, each of them once."""
    counts = submissions(stand_ins)
    assert (set(counts.values()), len(counts)) == ({1}, prompts)


def worker_of_running_step(farm: FarmProcess) -> psutil.Process:
    """The process of the worker that holds the one running step."""
    with sqlite3.connect(f"file:{farm.folder / 'farm.sqlite3'}?mode=ro", uri=True) as connection:
        (name,) = connection.execute("SELECT worker FROM steps WHERE status = 'running'").fetchone()
    return farm.worker_of(name)


def test_i2_what_was_answered_202_survives_the_web_s_death_at_that_moment(one_server: Place) -> None:
    farm, booth, _ = one_server
    booth.submit_until_taken("warm", small_portrait(100))
    for number in range(3):
        photo = small_portrait(number)
        web = farm.service("scripts.serve")
        answer = booth.submit(f"order-{number}", photo)
        web.kill()
        assert answer.status_code == 202
        eventually(farm.is_answering, "the web is up again")
        [task] = booth.order(f"order-{number}")["tasks"]
        assert task["photo"]["sha256"] == hashlib.sha256(photo).hexdigest()
        assert booth.follow(f"order-{number}")["status"] == "succeeded"


def test_i8_a_killed_worker_s_prompt_is_adopted(one_server: Place) -> None:
    farm, booth, stand_ins = one_server
    before = submissions(stand_ins).total()
    hold = stand_ins[0].add_fault("hold", times=1)
    booth.submit_until_taken("killed-worker", small_portrait(1))
    assert hold.happened.wait(30)
    worker_of_running_step(farm).kill()
    eventually(lambda: booth.order("killed-worker")["tasks"][0]["steps"][0]["attempt"] == 2, "the step is taken again")
    stand_ins[0].clear_faults()
    assert booth.follow("killed-worker")["status"] == "succeeded"
    assert_once(stand_ins, before + 1)
    assert len(farm.worker_pids()) >= 4  # another worker was started


def test_i8_a_killed_pool_s_prompt_is_adopted(one_server: Place) -> None:
    farm, booth, stand_ins = one_server
    before = submissions(stand_ins).total()
    hold = stand_ins[0].add_fault("hold", times=1)
    booth.submit_until_taken("killed-pool", small_portrait(1))
    assert hold.happened.wait(30)
    pool = farm.service("scripts.worker_pool", "comfyui")
    workers = pool.children()
    pool.kill()
    eventually(lambda: ended(workers), "workers die with their pool")
    eventually(lambda: booth.order("killed-pool")["tasks"][0]["steps"][0]["attempt"] == 2, "the claim ran out")
    stand_ins[0].clear_faults()
    assert booth.follow("killed-pool")["status"] == "succeeded"
    assert_once(stand_ins, before + 1)


def test_i1_i8_everything_killed_and_started_again(one_server: Place) -> None:
    farm, booth, stand_ins = one_server
    before = submissions(stand_ins).total()
    hold = stand_ins[0].add_fault("hold", times=1)
    for number in range(6):
        booth.submit_until_taken(f"everything-{number}", small_portrait(number))
    assert hold.happened.wait(30)
    processes = farm.children()
    farm.kill()
    assert ended(processes)
    stand_ins[0].clear_faults()
    farm.start()
    for number in range(6):
        assert booth.follow(f"everything-{number}")["status"] == "succeeded"
    assert_once(stand_ins, before + 6)


def test_i13_a_wiped_redis_loses_nothing(two_servers: Place) -> None:
    farm, booth, stand_ins = two_servers
    before = submissions(stand_ins).total()
    holds = [stand_in.add_fault("hold") for stand_in in stand_ins]
    for number in range(30):
        booth.submit_until_taken(f"wiped-{number}", small_portrait(number))
    assert all(hold.happened.wait(30) for hold in holds)
    farm.redis().flushall()
    for stand_in in stand_ins:
        stand_in.clear_faults()
    for number in range(30):
        assert booth.follow(f"wiped-{number}")["status"] == "succeeded"
    assert_once(stand_ins, before + 30)


def test_i10_a_second_pool_beside_the_first_keeps_the_limit(two_servers: Place) -> None:
    farm, booth, stand_ins = two_servers
    second = FarmPool(farm)
    try:
        for number in range(12):
            booth.submit_until_taken(f"order-{number}", small_portrait(number))
        for number in range(12):
            assert booth.follow(f"order-{number}")["status"] == "succeeded"
    finally:
        second.process.kill()
        second.process.wait(10)
    assert most_at_once(stand_ins) == 2


def test_a_killed_server_s_prompts_run_on_another(two_servers: Place) -> None:
    _, booth, stand_ins = two_servers
    holds = [stand_in.add_fault("hold") for stand_in in stand_ins]
    for number in range(4):
        booth.submit_until_taken(f"server-{number}", small_portrait(number))
    assert all(hold.happened.wait(30) for hold in holds)
    stand_ins[0].stop()
    stand_ins[1].clear_faults()
    for number in range(4):
        assert booth.follow(f"server-{number}")["status"] == "succeeded"


class FarmPool:
    """A second pool of ComfyUI workers, started by hand beside the farm."""

    def __init__(self, farm: FarmProcess) -> None:
        import subprocess
        import sys

        from tests.acceptance.farm_process import ROOT

        before = len(farm.worker_pids())
        with (farm.folder / "second-pool.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "scripts.worker_pool", "comfyui"],
                cwd=ROOT,
                env=farm.environment | {"COMFYUI_URLS": ""},  # servers are the reconciler's to name
                stdout=log,
                stderr=log,
            )
        eventually(lambda: len(farm.worker_pids()) >= before + 4, "the second pool's workers are there")


def most_at_once(stand_ins: list[StandIn]) -> int:
    """The most prompts that were at the servers at one moment, by their logs."""
    rows = [row for stand_in in stand_ins for row in stand_in.log() if row["event"] in ("submit", "end")]
    level = most = 0
    for row in sorted(rows, key=lambda row: (row["t"], row["event"])):
        level += 1 if row["event"] == "submit" else -1
        most = max(most, level)
    return most
