"""Cloud calls through kill -9 of their workers, and through providers that take a call and fall silent."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest
import requests

from scripts.simulators.openai_images import StandIn as Openai
from scripts.simulators.replicate import StandIn as Replicate
from tests.acceptance.conftest import StartFarm
from tests.acceptance.farm_process import Booth, FarmProcess, eventually, small_portrait
from tests.ladders import cloud_step, write_style
from tests.surface.operators import PASSWORD, read_token

TASKS, ORDERS, KILLS = 50, 5, 12
SILENT, UNKNOWN = 101, 102
"""Marks of photos."""
POLLED, DIRECT = "polled", "direct"
STEPS = {
    POLLED: cloud_step("replicate", "black-forest-labs/flux-kontext-pro", aspect_ratio="2:3") + "timeout_s = 60\n",
    DIRECT: cloud_step("openai", "gpt-image-1.5", size="1024x1536") + "timeout_s = 60\n",
}


@pytest.fixture(scope="module")
def openai() -> Iterator[Openai]:
    with Openai(seconds=0.2) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def replicate() -> Iterator[Replicate]:
    with Replicate(seconds=1.0) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, openai: Openai, replicate: Replicate) -> dict[str, str]:
    """Five API workers, both providers, and a style for each."""
    styles = tmp_path_factory.mktemp("styles")
    for name, step in STEPS.items():
        write_style(styles, name, step)
    return {
        "STYLES_DIR": str(styles),
        "COMFYUI_WORKERS": "0",
        "API_WORKERS": "5",
        "SILENT_S": "3",
        "CRASH_WAIT_S": "0.2",
        "OPENAI_API_KEY": "simulated",
        "OPENAI_BASE_URL": openai.base_url,
        "OPENAI_PRICES": '{"*": 0.25}',
        "OPENAI_SILENCE_S": "1",
        "REPLICATE_API_TOKEN": "simulated",
        "REPLICATE_BASE_URL": replicate.base_url,
        "REPLICATE_PRICES": '{"*": 0.25}',
    }


@pytest.fixture(scope="module")
def place(start_shared_farm: StartFarm, settings: dict[str, str]) -> tuple[FarmProcess, Booth]:
    """A farm with them, which asks nobody twice for what it cannot look up."""
    farm, booth, _ = start_shared_farm(servers=1, **settings, OPENAI_UNKNOWN="hold")
    return farm, booth


def order(booth: Booth, name: str, style: str, *marks: int) -> None:
    answer = booth.submit_until_taken(name, *(small_portrait(mark) for mark in marks), style=style)
    assert answer.status_code == 202, answer.text


def bought(cloud: Openai | Replicate) -> Counter[str]:
    """Mark of a photo -> how often a picture of it was bought."""
    return Counter(row["inputs"][0]["mark"] for row in cloud.log("submit"))


def times_bought(cloud: Openai | Replicate, mark: int) -> int:
    return bought(cloud)[f"{mark:016x}"]


def read_providers_page(farm: FarmProcess) -> str:
    with requests.Session() as operator:
        page = f"{farm.url}/ops/login"
        fields = {"username": "admin", "password": PASSWORD, "csrf_token": read_token(operator, page)}
        assert operator.post(page, data=fields, timeout=10).ok
        return operator.get(f"{farm.url}/ops/providers", timeout=10).text


def test_i8_fifty_cloud_tasks_are_each_bought_once_while_their_workers_are_killed(
    place: tuple[FarmProcess, Booth], replicate: Replicate
) -> None:
    farm, booth = place
    chance = random.Random(5)
    for number in range(ORDERS):
        order(booth, f"order-{number}", POLLED, *range(number * 10, number * 10 + TASKS // ORDERS))
    pool = farm.service("scripts.worker_pool", "api")
    for killed in range(KILLS):
        # Each kill meets calls on their way: a call takes a second, and three more have been taken since the last.
        replicate.wait_for("submit", count=min(3 * killed + 3, TASKS), timeout=60)
        workers = eventually(pool.children, "the pool has workers")
        chance.choice(workers).kill()
    tasks = [task for number in range(ORDERS) for task in booth.follow(f"order-{number}", seconds=120)["tasks"]]
    assert len(tasks) == TASKS
    failed = [task["reason"]["code"] for task in tasks if task["status"] != "succeeded"]
    assert set(failed) <= {"outcome_unknown"}, "a worker that died between POST and answer leaves only this"
    assert len(failed) <= KILLS
    assert set(bought(replicate).values()) == {1}
    assert len(bought(replicate)) == TASKS
    # What became unknown holds no slot any more, and may still run there.
    assert replicate.stats()["max_concurrent"] <= 5 + len(failed)


def test_a_call_that_was_taken_and_then_is_silent_is_asked_about_not_bought_again(
    place: tuple[FarmProcess, Booth], replicate: Replicate
) -> None:
    _, booth = place
    silence = replicate.add_fault("hang", path="/v1/predictions", method="GET", times=1)
    order(booth, "silent", POLLED, SILENT)
    assert silence.happened.wait(30)
    replicate.clear_faults()
    assert booth.follow("silent", seconds=60)["status"] == "succeeded"
    assert times_bought(replicate, SILENT) == 1


def test_what_cannot_be_looked_up_is_held_and_listed_with_its_price(
    place: tuple[FarmProcess, Booth], openai: Openai
) -> None:
    assert_bought(1, *place, openai)


def test_or_it_is_bought_at_most_once_more_and_both_are_listed(
    start_farm: StartFarm, settings: dict[str, str], openai: Openai
) -> None:
    farm, booth, _ = start_farm(servers=1, **settings, OPENAI_UNKNOWN="resubmit")
    assert_bought(2, farm, booth, openai)


def assert_bought(times: int, farm: FarmProcess, booth: Booth, openai: Openai) -> None:
    """A provider takes a call and never answers: it is bought so many times, and each time is on the page."""
    before = times_bought(openai, UNKNOWN)
    fault = openai.add_fault("drop_after", path="/v1/images")
    order(booth, "unknown", DIRECT, UNKNOWN)
    ended = booth.follow("unknown", seconds=60)
    openai.clear_faults(number=fault.id)
    assert ended["tasks"][0]["reason"]["code"] == "outcome_unknown"
    assert times_bought(openai, UNKNOWN) - before == times
    page = read_providers_page(farm)
    rows = [row for row in page.split("<tr") if ended["tasks"][0]["task_id"][:8] + "</a>" in row]
    assert len(rows) == times and all('data-label="Price">0.25</td>' in row for row in rows)
    assert f"{0.25 * times:.2f} unknown" in page
