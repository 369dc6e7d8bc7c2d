"""A photo becomes a picture, once, whatever is sent again; what booths may do with an order on the way."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from PIL import Image

from scripts.simulators import marks
from scripts.simulators.comfyui import StandIn
from scripts.simulators.openai_images import StandIn as CloudStandIn
from scripts.simulators.photos import portrait
from tests.acceptance.conftest import StartFarm
from tests.acceptance.farm_process import Booth, FarmProcess, eventually

Place = tuple[FarmProcess, Booth, list[StandIn]]


@pytest.fixture(scope="module")
def cloud() -> Iterator[CloudStandIn]:
    with CloudStandIn(seconds=0.0) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def place(start_shared_farm: StartFarm, cloud: CloudStandIn) -> Place:
    """A farm on SQLite with one server and a cloud provider."""
    return start_shared_farm(servers=1, API_WORKERS="1", OPENAI_API_KEY="simulated", OPENAI_BASE_URL=cloud.base_url)


@pytest.fixture(params=["sqlite", "postgresql"])
def on_either(request: pytest.FixtureRequest) -> Place:
    """That one, or one on PostgreSQL."""
    if request.param == "sqlite":
        place: Place = request.getfixturevalue("place")
        return place
    start: StartFarm = request.getfixturevalue("start_farm")
    return start(DATABASE_URL=request.getfixturevalue("postgres_url"))


def test_twenty_identical_submissions_are_one_order_and_one_prompt(on_either: Place) -> None:
    farm, booth, stand_ins = on_either
    before = count_prompts(stand_ins)
    photo = portrait(4711)
    booth.submit_until_taken("warm-up", portrait(1))
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: booth.submit("same", photo), range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [202]
    assert {answer.json()["tasks"][0]["task_id"] for answer in answers} == {answers[0].json()["tasks"][0]["task_id"]}

    order = booth.follow("same")
    picture = Image.open(io.BytesIO(booth.picture(order["tasks"][0])))
    assert marks.read(picture) == 4711
    assert "prompt" not in picture.info and not picture.getexif()

    again = booth.submit("same", photo)
    assert (again.status_code, again.json()["duplicate"]) == (200, True)
    farm.redis().flushall()
    after_wipe = booth.submit("same", photo)
    assert (after_wipe.status_code, len(after_wipe.json()["tasks"])) == (200, 1)

    more = booth.submit("same", portrait(4712))
    assert (more.status_code, len(more.json()["tasks"])) == (202, 2)
    assert booth.follow("same")["status"] == "succeeded"
    booth.follow("warm-up")
    assert count_prompts(stand_ins) - before == 3


def count_prompts(stand_ins: list[StandIn]) -> int:
    """Prompts that the servers were sent, since they began."""
    return sum(len(stand_in.log("submit")) for stand_in in stand_ins)


def test_an_order_is_followed_canceled_redone_and_deleted(place: Place) -> None:
    _, booth, (server,) = place
    hold = server.add_fault("hold", times=1)
    assert booth.submit_until_taken("first", portrait(1)).status_code == 202
    assert hold.happened.wait(30)

    with booth.request("GET", "/orders/first/events", stream=True) as events:
        lines = events.iter_lines(decode_unicode=True)
        assert next(lines) == "event: order"
        number = int(next(lines).removeprefix("id: "))
        shown = json.loads(next(lines).removeprefix("data: "))
        assert (shown["status"], shown["version"]) == ("running", number)
        task_id = shown["tasks"][0]["task_id"]
        assert booth.request("POST", f"/tasks/{task_id}/redo").status_code == 409

        canceled = booth.request("POST", f"/tasks/{task_id}/cancel").json()
        assert canceled["status"] == "canceled"
        told = [line for line in lines if line.startswith("data: ")]
        assert json.loads(told[-1].removeprefix("data: "))["status"] == "canceled"
    eventually(lambda: server.log("interrupt"), "the prompt is interrupted by its id")
    server.clear_faults()

    redone = booth.request("POST", f"/tasks/{task_id}/redo")
    assert redone.status_code == 202
    order = booth.follow("first")
    assert order["status"] == "partial"
    url = next(task for task in order["tasks"] if task["images"])["images"][0]["url"]
    assert booth.request("GET", f"/tasks/{task_id}").json()["status"] == "canceled"

    receipt = booth.request("DELETE", "/orders/first").json()["receipt"]
    assert receipt["may_remain"][0]["server"] == server.url
    assert booth.request("GET", "/orders/first").status_code == 410
    assert booth.submit("first", portrait(1)).status_code == 410
    assert requests.get(booth.farm.url + url, timeout=10).status_code == 404


def test_a_chain_hands_its_picture_on_and_the_api_resource_works(place: Place, cloud: CloudStandIn) -> None:
    _, booth, _ = place
    booth.submit_until_taken("chain", portrait(21), style="poster-framed")
    booth.submit("cloud", portrait(22), style="watercolour-cloud", options={"motto": "Hello"})
    chain, bought = booth.follow("chain"), booth.follow("cloud")
    assert [step["status"] for step in chain["tasks"][0]["steps"]] == ["succeeded", "succeeded"]
    for order, mark in ((chain, 21), (bought, 22)):
        assert marks.read(Image.open(io.BytesIO(booth.picture(order["tasks"][0])))) == mark
    assert cloud.stats()["accepted"] == 1


def test_operators_log_in_see_a_failed_task_and_retry_it(place: Place) -> None:
    farm, booth, (server,) = place
    server.add_fault("exec_error", times=3)
    booth.submit_until_taken("bad-luck", portrait(5))
    order = booth.follow("bad-luck")
    task = order["tasks"][0]
    assert (order["status"], task["reason"]["code"]) == ("failed", "execution_failed")

    page = requests.Session()
    assert page.get(f"{farm.url}/ops/", timeout=10).url.startswith(f"{farm.url}/ops/login")
    form = page.get(f"{farm.url}/ops/login", timeout=10).text
    token = form.split('name="csrf_token" value="')[1].split('"')[0]
    fields = {"username": "admin", "password": "admin password", "csrf_token": token}
    assert page.post(f"{farm.url}/ops/login", data=fields, timeout=10).url == f"{farm.url}/ops/"
    assert "bad-luck" in page.get(f"{farm.url}/ops/orders", timeout=10).text
    story = page.get(f"{farm.url}/ops/tasks/{task['task_id']}", timeout=10).text
    token = story.split('name="csrf_token" value="')[1].split('"')[0]
    retry = f"{farm.url}/ops/tasks/{task['task_id']}/retry"
    assert page.post(retry, timeout=10).status_code == 403
    assert page.get(retry, timeout=10).status_code == 405
    foreign = page.post(retry, data={"csrf_token": token}, headers={"Origin": "https://evil.example"}, timeout=10)
    assert foreign.status_code == 403
    # Pages with `Referrer-Policy: no-referrer` send their forms with this Origin.
    own = page.post(retry, data={"csrf_token": token}, headers={"Origin": "null"}, timeout=10)
    assert own.status_code == 200
    assert booth.follow("bad-luck")["status"] == "succeeded"
    assert page.post(retry, data={"csrf_token": token}, timeout=10).status_code == 409


def test_the_figures_are_true_and_survive_a_restart(place: Place) -> None:
    farm, booth, _ = place
    booth.submit_until_taken("warm", portrait(1))
    booth.follow("warm")
    first = booth.request("GET", "/stats").json()
    booth.submit("one", portrait(1), portrait(2))
    booth.follow("one")
    before = booth.request("GET", "/stats").json()
    nine = (
        "total_submitted",
        "total_processed",
        "total_failed",
        "current_queue_size",
        "last_processed_time",
        "queue_size",
        "queue_maxsize",
        "is_running",
        "worker_count",
    )
    assert tuple(before)[:9] == nine
    assert [before[name] - first[name] for name in nine[:3]] == [2, 2, 0]
    assert [before[name] for name in nine[3:] if name != "last_processed_time"] == [0, 0, 100, True, 5]
    farm.stop()
    farm.start()
    after = booth.request("GET", "/stats").json()
    assert [after[name] for name in nine] == [before[name] for name in nine]
