"""The brake at work: a whole farm, a cloud provider that says too much, and what booths and operators see of it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests

from scripts.simulators.openai_images import StandIn
from scripts.simulators.photos import portrait
from tests.acceptance.conftest import StartFarm
from tests.acceptance.farm_process import Booth, FarmProcess, eventually
from tests.surface.operators import PASSWORD, read_token

STYLE = "watercolour-cloud"
RATE = {"error": {"message": "slow down", "type": "requests", "param": None, "code": "rate_limit_exceeded"}}
QUOTA = {"error": {"message": "no money", "type": "insufficient_quota", "param": None, "code": "insufficient_quota"}}
KEY = {"error": {"message": "no such key", "type": "invalid_request_error", "param": None, "code": "invalid_api_key"}}
ASKED_SECONDS = 7.0


@pytest.fixture
def cloud() -> Iterator[StandIn]:
    with StandIn(seconds=0.2) as cloud:
        yield cloud


@pytest.fixture
def place(start_farm: StartFarm, cloud: StandIn) -> tuple[FarmProcess, Booth]:
    """A farm with five API workers, and a booth."""
    farm, booth, _ = start_farm(
        servers=1,
        API_WORKERS="5",
        OPENAI_API_KEY="simulated",
        OPENAI_BASE_URL=cloud.base_url,
        OPENAI_PRICES='{"*": 0.5}',
    )
    return farm, booth


def log_in(operator: requests.Session, url: str) -> None:
    page = f"{url}/ops/login"
    fields = {"username": "admin", "password": PASSWORD, "csrf_token": read_token(operator, page)}
    assert operator.post(page, data=fields, timeout=10).ok


def order(booth: Booth, name: str, photos: int, style: str = STYLE) -> None:
    booth.submit_until_taken(name, *(portrait(100 + number) for number in range(photos)), style=style)


def provider_of(booth: Booth) -> dict[str, object]:
    shown: dict[str, object] = booth.request("GET", "/queue").json()["providers"]["openai"]
    return shown


def test_one_429_keeps_every_worker_back_and_then_they_come_one_by_one(
    place: tuple[FarmProcess, Booth], cloud: StandIn
) -> None:
    farm, booth = place
    told = cloud.add_fault("status", path="/v1/images", status=429, body=RATE, headers={"Retry-After": "7"}, times=1)
    order(booth, "first", 1)
    shown = eventually(lambda: (seen := provider_of(booth))["why"] and seen, "the provider is paused")
    braked_at = time.time()
    assert told.hits == 1
    assert shown["why"] == "rate" and 0 < float(str(shown["paused_s"])) <= ASKED_SECONDS * 1.2
    order(booth, "more", 8)
    order(booth, "beside", 2, style="framed-print")
    assert booth.follow("beside")["status"] == "succeeded", "a paused provider held the other resource up"
    with requests.Session() as operator:
        log_in(operator, farm.url)
        assert "openai is paused" in operator.get(f"{farm.url}/ops/", timeout=10).text
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
    ("status", "body", "why", "sentence"),
    [(429, QUOTA, "quota", "no credit left"), (401, KEY, "account", "refuses our key")],
    ids=["quota", "bad key"],
)
def test_quota_and_key_pause_the_provider_and_a_button_brings_it_back(
    place: tuple[FarmProcess, Booth], cloud: StandIn, status: int, body: dict[str, object], why: str, sentence: str
) -> None:
    farm, booth = place
    fault = cloud.add_fault("status", path="/v1/images", status=status, body=body)
    order(booth, "waits", 3)
    eventually(lambda: provider_of(booth)["why"] == why, "the provider is paused")
    with requests.Session() as operator:
        log_in(operator, farm.url)
        assert sentence in operator.get(f"{farm.url}/ops/", timeout=10).text
        cloud.clear_faults(number=fault.id)
        token = read_token(operator, f"{farm.url}/ops/providers")
        resume = operator.post(f"{farm.url}/ops/providers/openai/resume", data={"csrf_token": token}, timeout=10)
        assert "is tried again" in resume.text
    assert booth.follow("waits", seconds=60)["status"] == "succeeded"
    assert len(cloud.log("submit")) == 3


def test_a_spent_budget_pauses_and_raising_it_goes_on_without_a_restart(
    place: tuple[FarmProcess, Booth], cloud: StandIn
) -> None:
    farm, booth = place
    with requests.Session() as operator:
        log_in(operator, farm.url)
        token = read_token(operator, f"{farm.url}/ops/providers")

        def set_budget(budget: str) -> str:
            fields = {"csrf_token": token, "budget": budget}
            return operator.post(f"{farm.url}/ops/providers/openai/budget", data=fields, timeout=10).text

        assert "must be a number" in set_budget("lots")
        assert "1 a day" in set_budget("1")
        order(booth, "dear", 3)
        eventually(lambda: provider_of(booth)["why"] == "budget", "the provider is paused")
        assert len(cloud.log("submit")) == 2, "two calls of 0.5 are a day's budget of 1"
        assert "budget for the cloud provider openai is spent" in operator.get(f"{farm.url}/ops/", timeout=10).text
        set_budget("5")
    assert booth.follow("dear", seconds=60)["status"] == "succeeded"
    assert len(cloud.log("submit")) == 3


def test_a_minute_that_is_used_up_pauses_without_a_failure(start_farm: StartFarm, cloud: StandIn) -> None:
    settings = {"OPENAI_API_KEY": "simulated", "OPENAI_BASE_URL": cloud.base_url, "OPENAI_PER_MINUTE": "2"}
    _, booth, _ = start_farm(servers=1, API_WORKERS="5", **settings)
    order(booth, "minute", 4)
    eventually(lambda: provider_of(booth)["why"] == "rate", "the provider is paused")
    eventually(lambda: len(cloud.log("end")) == 2, "the two calls of the minute end")
    assert len(cloud.log("submit")) == 2
    task = booth.request("GET", "/orders/minute").json()["tasks"][-1]
    assert [step["failures"] for step in task["steps"]] == [0]
