"""Cloud calls through kill -9 of their workers, and through providers that take a call and fall silent."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from scripts.simulators.openai_images import StandIn as Openai
from scripts.simulators.photos import portrait
from scripts.simulators.replicate import StandIn as Replicate
from tests.acceptance.conftest import StartFarm
from tests.acceptance.farm_process import Booth, FarmProcess, eventually
from tests.surface.operators import PASSWORD, read_token

TASKS, ORDERS, KILLS = 50, 5, 12
POLLED, DIRECT = "polled", "direct"
STYLES = {
    POLLED: ("replicate", "black-forest-labs/flux-kontext-pro", '{ aspect_ratio = "2:3" }'),
    DIRECT: ("openai", "gpt-image-1.5", '{ size = "1024x1536" }'),
}
STYLE = """
title = {{ en = "{name}", zh = "{name}" }}
[[steps]]
resource = "api"
provider = "{provider}"
model = "{model}"
prompt = "a poster"
parameters = {parameters}
timeout_s = 60
"""


@pytest.fixture
def openai() -> Iterator[Openai]:
    with Openai(seconds=0.2) as cloud:
        yield cloud


@pytest.fixture
def replicate() -> Iterator[Replicate]:
    with Replicate(seconds=1.0) as cloud:
        yield cloud


@pytest.fixture
def settings(tmp_path: Path, openai: Openai, replicate: Replicate) -> dict[str, str]:
    """A farm with five API workers, both providers, and a style for each."""
    for name, (provider, model, parameters) in STYLES.items():
        folder = tmp_path / "styles" / name
        folder.mkdir(parents=True)
        text = STYLE.format(name=name, provider=provider, model=model, parameters=parameters)
        (folder / "style.toml").write_text(text)
    return {
        "STYLES_DIR": str(tmp_path / "styles"),
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


def order(booth: Booth, name: str, style: str, *marks: int) -> None:
    answer = booth.submit_until_taken(name, *(portrait(mark) for mark in marks), style=style)
    assert answer.status_code == 202, answer.text


def bought(cloud: Openai | Replicate) -> Counter[str]:
    """Mark of a photo -> how often a picture of it was bought."""
    return Counter(row["inputs"][0]["mark"] for row in cloud.log("submit"))


def read_providers_page(farm: FarmProcess) -> str:
    with requests.Session() as operator:
        page = f"{farm.url}/ops/login"
        fields = {"username": "admin", "password": PASSWORD, "csrf_token": read_token(operator, page)}
        assert operator.post(page, data=fields, timeout=10).ok
        return operator.get(f"{farm.url}/ops/providers", timeout=10).text


def test_i8_fifty_cloud_tasks_are_each_bought_once_while_their_workers_are_killed(
    start_farm: StartFarm, settings: dict[str, str], replicate: Replicate
) -> None:
    farm, booth, _ = start_farm(servers=1, **settings)
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
    start_farm: StartFarm, settings: dict[str, str], replicate: Replicate
) -> None:
    _, booth, _ = start_farm(servers=1, **settings)
    silence = replicate.add_fault("hang", path="/v1/predictions", method="GET", times=1)
    order(booth, "silent", POLLED, 7)
    assert silence.happened.wait(30)
    replicate.clear_faults()
    assert booth.follow("silent", seconds=60)["status"] == "succeeded"
    assert list(bought(replicate).values()) == [1]


@pytest.mark.parametrize(("policy", "times"), [("hold", 1), ("resubmit", 2)])
def test_what_cannot_be_looked_up_is_bought_at_most_once_more_and_is_listed_with_its_price(
    start_farm: StartFarm, settings: dict[str, str], openai: Openai, policy: str, times: int
) -> None:
    farm, booth, _ = start_farm(servers=1, **settings, OPENAI_UNKNOWN=policy)
    openai.add_fault("drop_after", path="/v1/images")  # takes it, and never answers
    order(booth, "unknown", DIRECT, 7)
    ended = booth.follow("unknown", seconds=60)
    assert ended["tasks"][0]["reason"]["code"] == "outcome_unknown"
    assert list(bought(openai).values()) == [times]
    page = read_providers_page(farm)
    assert page.count(ended["tasks"][0]["task_id"][:8] + "</a>") == times
    assert page.count("<td>0.25</td>") == times
    assert f"{0.25 * times:.2f} unknown" in page
