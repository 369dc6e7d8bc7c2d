"""The stand-in for Replicate: its predictions and files, its refusals as problem details, its faults."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from PIL import Image

from scripts.simulators import marks, photos, replicate_requests
from scripts.simulators.replicate import StandIn
from scripts.simulators.replicate_requests import FACES, FACES_VERSION

TIMEOUT = 10
KEY = {"Authorization": "Bearer r8_test"}
MARK = 0xFEEDFACE12345678
PHOTO = photos.portrait(MARK, size=(450, 600))
DATA_URL = "data:image/jpeg;base64," + base64.b64encode(PHOTO).decode()
OFFICIAL = "models/black-forest-labs/flux-kontext-pro/predictions"


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as standin:
        yield standin


def create(
    api: StandIn, *, path: str = OFFICIAL, headers: dict[str, str] | None = None, body: Any = None, **given: Any
) -> requests.Response:
    body = {"input": {"prompt": "a poster", "input_image": DATA_URL} | given} if body is None else body
    return requests.post(f"{api.base_url}/{path}", headers=KEY | (headers or {}), json=body, timeout=TIMEOUT)


def ask(api: StandIn, prediction_id: str) -> dict[str, Any]:
    answer = requests.get(f"{api.base_url}/predictions/{prediction_id}", headers=KEY, timeout=TIMEOUT)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def finished(api: StandIn, answer: requests.Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    api.wait_for("end", answer.json()["id"])
    return ask(api, answer.json()["id"])


def picture_at(url: str) -> Image.Image:
    return Image.open(io.BytesIO(requests.get(url, timeout=TIMEOUT).content))


def test_prediction_is_taken_and_gives_a_picture_of_its_photo(api: StandIn) -> None:
    api.add_fault("hold_queue")
    answer = create(api, aspect_ratio="2:3")
    taken = answer.json()
    assert (answer.status_code, taken["status"], taken["output"], taken["error"]) == (201, "starting", None, None)
    assert taken["urls"]["get"] == f"{api.base_url}/predictions/{taken['id']}"
    api.clear_faults()
    told = finished(api, answer)
    assert told["status"] == "succeeded"
    assert taken.keys() == told.keys() >= {"model", "version", "input", "logs", "data_removed", "created_at", "metrics"}
    picture = picture_at(told["output"])  # without a key
    assert (picture.size, marks.read(picture)) == ((832, 1248), MARK)
    [row] = api.log("submit")
    assert (row["prompt_id"], row["inputs"][0]["mark"]) == (taken["id"], f"{MARK:016x}")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("models/google/nano-banana/predictions", {"input": {"prompt": "x", "image_input": [DATA_URL]}}),
        ("predictions", {"version": FACES_VERSION, "input": {"image": DATA_URL}}),
        ("predictions", {"version": f"{FACES}:{FACES_VERSION}", "input": {"image": DATA_URL}}),
    ],
)
def test_some_models_give_a_list(api: StandIn, path: str, body: dict[str, Any]) -> None:
    [url] = finished(api, create(api, path=path, body=body))["output"]
    assert marks.read(picture_at(url)) == MARK


def test_official_model_may_be_named_as_a_version(api: StandIn) -> None:
    body = {"version": "black-forest-labs/flux-kontext-pro", "input": {"prompt": "x", "input_image": DATA_URL}}
    assert finished(api, create(api, path="predictions", body=body))["status"] == "succeeded"


def test_file_is_taken_and_serves_as_input(api: StandIn) -> None:
    files = {"content": ("photo.jpg", PHOTO, "image/jpeg")}
    answer = requests.post(f"{api.base_url}/files", headers=KEY, files=files, timeout=TIMEOUT)
    told = answer.json()
    assert (answer.status_code, told["size"], told["content_type"]) == (201, len(PHOTO), "image/jpeg")
    assert told.keys() >= {"id", "checksums", "metadata", "created_at", "expires_at", "urls"}
    assert requests.get(told["urls"]["get"], timeout=TIMEOUT).status_code == 401
    assert requests.get(told["urls"]["get"], headers=KEY, timeout=TIMEOUT).json()["id"] == told["id"]
    output = finished(api, create(api, input_image=told["urls"]["get"]))["output"]
    assert marks.read(picture_at(output)) == MARK


@pytest.mark.parametrize("name", ["file", "image"])
def test_file_part_is_called_content(api: StandIn, name: str) -> None:
    files = {name: ("photo.jpg", PHOTO, "image/jpeg")}
    assert requests.post(f"{api.base_url}/files", headers=KEY, files=files, timeout=TIMEOUT).status_code == 400


@pytest.mark.parametrize("path", [OFFICIAL, "predictions", "files", "predictions/x/cancel"])
def test_without_a_key_nothing_goes(api: StandIn, path: str) -> None:
    answer = requests.post(f"{api.base_url}/{path}", json={"input": {}}, timeout=TIMEOUT)
    assert (answer.status_code, answer.json()["status"]) == (401, 401)
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert api.log("submit") == []


@pytest.mark.parametrize(
    "given",
    [
        {"body": {}},
        {"body": []},
        {"body": {"input": []}},
        {"body": {"input": {"prompt": "x", "input_image": DATA_URL}, "model": "x"}},
        {"body": {"input": {"prompt": "x", "input_image": DATA_URL}, "version": "x"}},
        {"body": {"input": {"prompt": "x", "input_image": DATA_URL}, "webhook": "http://127.0.0.1"}},
        {"body": {"input": {"prompt": "x", "input_image": DATA_URL}, "webhook_events_filter": ["end"]}},
        {"prompt": ""},
        {"input_image": [DATA_URL]},
        {"input_image": None},
        {"input_image": 7},
        {"input_image": "http://127.0.0.1/photo.jpg"},
        {"input_image": "data:image/jpeg;base64,!"},
        {"input_image": "data:image/jpeg;base64,cGljdHVyZQ=="},
        {"input_image": "data:image/jpeg;base64," + "A" * 400_000},
        {"image_field": "input_image"},
        {"aspect_ratio": "7:7"},
        {"num_outputs": 2},
        {"headers": {"Prefer": "wait=61"}},
        {"headers": {"Prefer": "respond-async"}},
        {"headers": {"Cancel-After": "4s"}},
        {"headers": {"Cancel-After": "soon"}},
        {"path": "predictions"},
        {"path": "predictions", "body": {"version": "x", "input": {}}},
        {"path": "models/google/nano-banana/predictions", "image_input": DATA_URL},
    ],
    ids=lambda given: repr(given)[:60],
)
def test_what_is_wrong_with_a_request_is_a_problem_of_422(api: StandIn, given: dict[str, Any]) -> None:
    answer = create(api, **given)
    assert (answer.status_code, answer.json()["status"]) == (422, 422)
    assert answer.json().keys() == {"title", "detail", "status"}
    assert api.log("submit") == []


@pytest.mark.parametrize("path", [f"models/{FACES}/predictions", "models/nobody/nothing/predictions", "nothing"])
def test_unknown_model_is_404(api: StandIn, path: str) -> None:
    assert create(api, path=path).status_code == 404
    assert requests.get(f"{api.base_url}/predictions/x", headers=KEY, timeout=TIMEOUT).status_code == 404


def test_client_may_wait_for_the_end(api: StandIn) -> None:
    answer = create(api, headers={"Prefer": "wait"})
    assert (answer.status_code, answer.json()["status"]) == (201, "succeeded")
    api.add_fault("hold")
    answer = create(api, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["status"]) == (202, "processing")


@pytest.mark.parametrize(("kind", "status"), [("hold", "canceled"), ("hold_queue", "aborted")])
def test_canceled_before_its_beginning_is_aborted(api: StandIn, kind: str, status: str) -> None:
    api.add_fault(kind)
    prediction_id = create(api).json()["id"]
    api.wait_for("hold", prediction_id)
    address = f"{api.base_url}/predictions/{prediction_id}/cancel"
    assert requests.post(address, headers=KEY, timeout=TIMEOUT).json()["status"] == status
    assert api.wait_for("end", prediction_id)["outcome"] == "canceled"
    api.clear_faults()
    assert ask(api, prediction_id)["status"] == status


def test_deadline_ends_a_prediction(api: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicate_requests, "SHORTEST_DEADLINE_SECONDS", 1)
    api.add_fault("hold")
    answer = create(api, headers={"Cancel-After": "1s"})
    assert "deadline" in answer.json()
    api.wait_for("end", answer.json()["id"])
    assert ask(api, answer.json()["id"])["status"] == "canceled"


def test_task_can_be_made_to_fail(api: StandIn) -> None:
    api.add_fault("task_error", times=1, body="NSFW content detected")
    told = finished(api, create(api))
    assert (told["status"], told["error"], told["output"]) == ("failed", "NSFW content detected", None)
    api.add_fault("task_error", times=1)
    assert "E1000" in finished(api, create(api))["error"]
    assert [row["outcome"] for row in api.log("end")] == ["error", "error"]
    assert finished(api, create(api))["status"] == "succeeded"


def test_results_can_be_made_to_expire(api: StandIn) -> None:
    output = finished(api, create(api))["output"]
    api.add_fault("expire", times=1)
    assert [requests.get(output, timeout=TIMEOUT).status_code for _ in range(2)] == [404, 200]
    for path in ("results/x/0.png", "results/" + output.split("/")[-2] + "/7.png"):
        assert requests.get(f"{api.url}/{path}", timeout=TIMEOUT).status_code == 404
