"""The brake at work: a whole farm, a cloud provider that says too much, and what booths and operators see of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from scripts.simulators.faults import Fault
from scripts.simulators.inprocess import InProcess
from tests.acceptance.conftest import StartFarm
from tests.acceptance.farm_process import Booth, FarmProcess, eventually, small_portrait
from tests.contract.dialects import DIALECTS
from tests.contract.dialects.dialect import Said
from tests.surface.operators import PASSWORD, read_token

STYLES = {
    "openai": "watercolour-cloud",
    "ark": "festive-cloud",
    "siliconflow": "clay-cloud",
    "gemini": "storybook-cloud",
    "replicate": "comic-cloud",
}
"""Provider -> a style of its own: each test brakes another one, so that all can share a farm."""
BY_NAME = {dialect.name: dialect for dialect in DIALECTS}
KEY = Said(401, '"Invalid token"')
ASKED_SECONDS = 7.0

Cloud = InProcess[Any]


@pytest.fixture(scope="module")
def clouds() -> Iterator[dict[str, Cloud]]:
    """A stand-in of each provider."""
    with ExitStack() as stack:
        clouds = {name: stack.enter_context(BY_NAME[name].stand_in()) for name in STYLES}
        for cloud in clouds.values():
            cloud.server.seconds = 0.2
        yield clouds


@pytest.fixture(scope="module")
def place(start_shared_farm: StartFarm, clouds: dict[str, Cloud]) -> tuple[FarmProcess, Booth]:
    """A farm with five API workers, and a booth."""
    providers: dict[str, str] = {"REPLICATE_API_TOKEN": "simulated", "REPLICATE_PER_MINUTE": "2"}
    for name, cloud in clouds.items():
        base_url: str = cloud.base_url  # type: ignore[attr-defined]  # every cloud stand-in has one
        providers |= {f"{name.upper()}_BASE_URL": base_url, f"{name.upper()}_PRICES": '{"*": 0.5}'}
        providers.setdefault(f"{name.upper()}_API_{'TOKEN' if name == 'replicate' else 'KEY'}", "simulated")
    farm, booth, _ = start_shared_farm(servers=1, API_WORKERS="5", COMFYUI_WORKERS="1", **providers)
    return farm, booth


def log_in(operator: requests.Session, url: str) -> None:
    page = f"{url}/ops/login"
    fields = {"username": "admin", "password": PASSWORD, "csrf_token": read_token(operator, page)}
    assert operator.post(page, data=fields, timeout=10).ok


def order(booth: Booth, name: str, photos: int, style: str) -> None:
    booth.submit_until_taken(name, *(small_portrait(100 + number) for number in range(photos)), style=style)


def read_brake(booth: Booth, provider: str) -> dict[str, object]:
    shown: dict[str, object] = booth.request("GET", "/queue").json()["providers"][provider]
    return shown


def tell(cloud: Cloud, provider: str, said: Said, **more: Any) -> Fault:
    """Let it answer every submission so."""
    path = BY_NAME[provider].submit_path
    return cloud.add_fault("status", path=path, status=said.status, body=said.body, **more)


def test_one_429_keeps_every_worker_back_and_then_they_come_one_by_one(
    place: tuple[FarmProcess, Booth], clouds: dict[str, Cloud]
) -> None:
    farm, booth = place
    cloud = clouds["openai"]
    told = tell(cloud, "openai", BY_NAME["openai"].rate, headers={"Retry-After": "7"}, times=1)
    order(booth, "first", 1, STYLES["openai"])
    shown = eventually(lambda: (seen := read_brake(booth, "openai"))["why"] and seen, "the provider is paused")
    braked_at = time.time()
    assert told.hits == 1
    assert shown["why"] == "rate" and 0 < float(str(shown["paused_s"])) <= ASKED_SECONDS * 1.2
    order(booth, "more", 8, STYLES["openai"])
    order(booth, "beside", 1, "framed-print")
    order(booth, "another", 1, STYLES["gemini"])
    for name in ("beside", "another"):
        assert booth.follow(name)["status"] == "succeeded", "a paused provider held others up"
    with requests.Session() as operator:
        log_in(operator, farm.url)
        assert "paused for" in operator.get(f"{farm.url}/ops/providers", timeout=10).text
    assert cloud.log("submit") == [], "a call was sent while the provider was paused"
    assert booth.follow("first", seconds=60)["status"] == "succeeded"
    assert booth.follow("more", seconds=60)["status"] == "succeeded"
    submits = cloud.log("submit")
    assert len(submits) == 9
    assert submits[0]["t"] >= braked_at + ASKED_SECONDS - 1.0
    first_end = cloud.log("end")[0]["t"]
    assert [row for row in submits if row["t"] < first_end] == submits[:1], "more than one call went first"
    assert 2 <= cloud.stats()["max_concurrent"] <= 5
    tasks = booth.request("GET", "/orders/more").json()["tasks"] + booth.request("GET", "/orders/first").json()["tasks"]
    assert all(step["failures"] == 0 for task in tasks for step in task["steps"])


@pytest.mark.parametrize(
    ("provider", "said", "why", "sentence"),
    [
        ("ark", BY_NAME["ark"].quota, "quota", "no credit left"),
        ("siliconflow", KEY, "account", "refuses our key"),
    ],
    ids=["quota", "bad key"],
)
def test_quota_and_key_pause_the_provider_and_a_button_brings_it_back(
    place: tuple[FarmProcess, Booth], clouds: dict[str, Cloud], provider: str, said: Said, why: str, sentence: str
) -> None:
    farm, booth = place
    fault = tell(clouds[provider], provider, said)
    order(booth, provider, 3, STYLES[provider])
    eventually(lambda: read_brake(booth, provider)["why"] == why, "the provider is paused")
    with requests.Session() as operator:
        log_in(operator, farm.url)
        assert sentence in operator.get(f"{farm.url}/ops/", timeout=10).text
        clouds[provider].clear_faults(number=fault.id)
        token = read_token(operator, f"{farm.url}/ops/providers")
        resume = operator.post(f"{farm.url}/ops/providers/{provider}/resume", data={"csrf_token": token}, timeout=10)
        assert "is tried again" in resume.text
    assert booth.follow(provider, seconds=60)["status"] == "succeeded"
    assert len(clouds[provider].log("submit")) == 3


def test_a_spent_budget_pauses_and_raising_it_goes_on_without_a_restart(
    place: tuple[FarmProcess, Booth], clouds: dict[str, Cloud]
) -> None:
    farm, booth = place
    spent = len(clouds["gemini"].log("submit"))  # by the test above
    with requests.Session() as operator:
        log_in(operator, farm.url)
        token = read_token(operator, f"{farm.url}/ops/providers")

        def set_budget(budget: str) -> str:
            fields = {"csrf_token": token, "budget": budget}
            return operator.post(f"{farm.url}/ops/providers/gemini/budget", data=fields, timeout=10).text

        assert "must be a number" in set_budget("lots")
        assert f"{1 + spent / 2:g} a day" in set_budget(f"{1 + spent / 2:g}")
        order(booth, "dear", 3, STYLES["gemini"])
        eventually(lambda: read_brake(booth, "gemini")["why"] == "budget", "the provider is paused")
        assert len(clouds["gemini"].log("submit")) - spent == 2, "two calls of 0.5 were left of the day"
        assert "budget for the cloud provider gemini is spent" in operator.get(f"{farm.url}/ops/", timeout=10).text
        set_budget("5")
    assert booth.follow("dear", seconds=60)["status"] == "succeeded"
    assert len(clouds["gemini"].log("submit")) - spent == 3


def test_a_minute_that_is_used_up_pauses_without_a_failure(
    place: tuple[FarmProcess, Booth], clouds: dict[str, Cloud]
) -> None:
    _, booth = place
    cloud = clouds["replicate"]
    order(booth, "minute", 4, STYLES["replicate"])
    eventually(lambda: read_brake(booth, "replicate")["why"] == "rate", "the provider is paused")
    eventually(lambda: len(cloud.log("end")) == 2, "the two calls of the minute end")
    assert len(cloud.log("submit")) == 2
    task = booth.request("GET", "/orders/minute").json()["tasks"][-1]
    assert [step["failures"] for step in task["steps"]] == [0]
