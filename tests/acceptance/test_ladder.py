"""The ladder at work: a whole farm, a photo that the cloud refuses, a way that an operator switches off."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
import requests
from PIL import Image

from scripts.simulators.openai_images import StandIn
from tests.acceptance.conftest import StartFarm
from tests.acceptance.farm_process import Booth, FarmProcess, eventually, small_portrait
from tests.ladders import CLOUD_STEP, FRAME, WORKFLOW, when, write_style
from tests.surface.operators import PASSWORD, read_token

REFUSED = {"error": {"message": "no", "type": "user_error", "param": None, "code": "moderation_blocked"}}
FRAMED = {"resource": "api", "provider": "frame", "model": None, "server": None, "alternative": True}


@pytest.fixture(scope="module")
def cloud() -> Iterator[StandIn]:
    with StandIn(seconds=0.2) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def place(
    start_shared_farm: StartFarm, cloud: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> tuple[FarmProcess, Booth]:
    """A farm with one style that has alternatives and one that has none."""
    styles = tmp_path_factory.mktemp("styles")
    write_style(styles, "laddered", (CLOUD_STEP, WORKFLOW + when("paused"), FRAME + when("refused")))
    write_style(styles, "bare", CLOUD_STEP)
    farm, booth, _ = start_shared_farm(
        servers=1,
        API_WORKERS="1",
        STYLES_DIR=str(styles),
        OPENAI_API_KEY="simulated",
        OPENAI_BASE_URL=cloud.base_url,
    )
    return farm, booth


@pytest.fixture
def operator(place: tuple[FarmProcess, Booth]) -> Iterator[requests.Session]:
    """Somebody who has logged in."""
    with requests.Session() as operator:
        page = f"{place[0].url}/ops/login"
        fields = {"username": "admin", "password": PASSWORD, "csrf_token": read_token(operator, page)}
        assert operator.post(page, data=fields, timeout=10).ok
        yield operator


def test_a_refused_photo_is_delivered_framed_and_marked_and_without_an_alternative_is_refused(
    place: tuple[FarmProcess, Booth], cloud: StandIn, operator: requests.Session
) -> None:
    farm, booth = place
    refusal = cloud.add_fault("status", path="/v1/images", status=400, body=REFUSED)
    booth.submit_until_taken("framed", small_portrait(1), style="laddered")
    booth.submit_until_taken("refused", small_portrait(2), style="bare")
    framed, refused = (booth.follow(name) for name in ("framed", "refused"))
    assert (framed["status"], refused["status"]) == ("succeeded", "failed")
    (task,) = framed["tasks"]
    assert task["images"][0]["made_by"] == FRAMED | {"why": "refused"}
    assert [(step["resource"], step["attempt"]) for step in task["steps"]] == [("api", 2)]
    with Image.open(io.BytesIO(booth.picture(task))) as picture:
        assert picture.size == (400, 600)
    assert refused["tasks"][0]["reason"]["code"] == "content_refused"
    assert refused["tasks"][0]["images"] == []
    assert refusal.hits == 2, "a photo that was refused was sent again"
    cloud.clear_faults()
    shown = operator.get(f"{farm.url}/ops/tasks/{task['task_id']}", timeout=10).text
    assert "made by frame" in shown and "alternative: refused" in shown and "api/openai" in shown


def test_a_way_that_is_switched_off_is_not_taken_and_what_waits_for_it_changes_over(
    place: tuple[FarmProcess, Booth], cloud: StandIn, operator: requests.Session
) -> None:
    farm, booth = place
    token = read_token(operator, f"{farm.url}/ops/providers")

    def press(path: str) -> str:
        answer = operator.post(f"{farm.url}/ops/{path}", data={"csrf_token": token}, timeout=10)
        assert answer.status_code == 200
        return answer.text

    press("providers/openai/pause")
    booth.submit_until_taken("waits", small_portrait(3), style="laddered")
    assert "Switched off by admin" in press("paths/laddered/0/0/off")
    booth.submit_until_taken("new", small_portrait(4), style="laddered")
    for name in ("waits", "new"):
        order = booth.follow(name)
        assert order["status"] == "succeeded"
        made_by = order["tasks"][0]["images"][0]["made_by"]
        assert (made_by["resource"], made_by["alternative"], made_by["why"]) == ("comfyui", True, "paused")
        assert made_by["server"] and made_by["provider"] is None
    press("providers/openai/resume")
    assert "Switched off by admin" not in press("paths/laddered/0/0/on")
    booth.submit_until_taken("as-written", small_portrait(5), style="laddered")
    assert booth.follow("as-written")["tasks"][0]["images"][0]["made_by"]["provider"] == "openai"
    eventually(lambda: len(cloud.log("end")) == 1, "the cloud made one picture")
    for strange in (
        "laddered/0/9/off",
        "laddered/7/0/off",
        "nobody/0/0/off",
        "laddered/0/0/sideways",
        "laddered/0/-1/off",
    ):
        answer = operator.post(f"{farm.url}/ops/paths/{strange}", data={"csrf_token": token}, timeout=10)
        assert answer.status_code == 404
    assert operator.get(f"{farm.url}/ops/paths/laddered/0/0/off", timeout=10).status_code == 405
