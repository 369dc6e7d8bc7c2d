"""The stand-in for fal's queue: a request's way through it, its refusals in `detail`, its faults."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from PIL import Image

from scripts.simulators import marks, photos
from scripts.simulators.fal import StandIn

TIMEOUT = 10
KEY = {"Authorization": "Key test"}
MARK = 0xFEEDFACE12345678
DATA_URL = "data:image/jpeg;base64," + base64.b64encode(photos.portrait(MARK, size=(450, 600))).decode()
KONTEXT = "fal-ai/flux-pro/kontext"


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as standin:
        yield standin


def submit(
    api: StandIn, *, model: str = KONTEXT, headers: dict[str, str] | None = None, **given: Any
) -> requests.Response:
    body = {"prompt": "a poster", "image_url": DATA_URL} | given
    body = {key: value for key, value in body.items() if value is not None}
    return requests.post(f"{api.base_url}/{model}", headers=KEY | (headers or {}), json=body, timeout=TIMEOUT)


def get(url: str) -> requests.Response:
    return requests.get(url, headers=KEY, timeout=TIMEOUT)


def response_to(api: StandIn, answer: requests.Response) -> requests.Response:
    assert answer.status_code == 200, answer.text
    told = answer.json()
    api.wait_for("end", told["request_id"])
    status = get(told["status_url"])
    assert (status.status_code, status.json()["status"]) == (200, "COMPLETED")
    return get(told["response_url"])


def pictures(answer: requests.Response) -> list[Image.Image]:
    assert answer.status_code == 200, answer.text
    result = answer.json()
    assert result["has_nsfw_concepts"] == [False] * len(result["images"])
    return [  # without a key
        Image.open(io.BytesIO(requests.get(image["url"], timeout=TIMEOUT).content)) for image in result["images"]
    ]


def test_request_goes_through_the_queue_and_gives_a_picture_of_its_photo(api: StandIn) -> None:
    api.add_fault("hold_queue")
    answer = submit(api, image_size="portrait_4_3")
    told = answer.json()
    assert answer.headers["x-fal-request-id"] == told["request_id"]
    assert told["response_url"] == f"{api.base_url}/fal-ai/flux-pro/requests/{told['request_id']}"
    status = get(told["status_url"])
    assert (status.status_code, status.json()["status"]) == (202, "IN_QUEUE")
    early = get(told["response_url"])
    assert (early.status_code, early.json()) == (400, {"detail": "Request is still in progress"})
    api.add_fault("hold")
    api.clear_faults(kind="hold_queue")
    api.wait_for("hold", told["request_id"], count=2)
    assert get(told["status_url"]).json()["status"] == "IN_PROGRESS"
    api.clear_faults()
    [picture] = pictures(response_to(api, answer))
    assert (picture.size, marks.read(picture)) == ((768, 1024), MARK)
    [row] = api.log("submit")
    assert (row["prompt_id"], row["inputs"][0]["mark"]) == (told["request_id"], f"{MARK:016x}")


def test_some_models_take_a_list(api: StandIn) -> None:
    answer = submit(api, model="fal-ai/nano-banana/edit", image_url=None, image_urls=[DATA_URL], num_images=2)
    assert [marks.read(picture) for picture in pictures(response_to(api, answer))] == [MARK, MARK]


def test_request_is_known_by_owner_and_app_alone(api: StandIn) -> None:
    request_id = submit(api).json()["request_id"]
    for path in ("fal-ai/nano-banana", "fal-ai/flux-pro/kontext", "nobody/flux-pro"):
        assert get(f"{api.base_url}/{path}/requests/{request_id}/status").status_code in (404, 405)
    assert get(f"{api.base_url}/fal-ai/flux-pro/requests/{request_id}/status").status_code in (200, 202)


@pytest.mark.parametrize("scheme", ["", "Bearer test", "Key ", "Key"])
def test_without_a_key_nothing_goes(api: StandIn, scheme: str) -> None:
    answer = submit(api, headers={"Authorization": scheme})
    assert answer.status_code == 401
    assert isinstance(answer.json()["detail"], str)
    assert api.log("submit") == []


def test_unknown_app_and_broken_requests_are_refused_at_once(api: StandIn) -> None:
    assert submit(api, model="fal-ai/nothing").status_code == 404
    assert submit(api, headers={"X-Fal-Request-Timeout": "soon"}).json()["error_type"] == "bad_request"
    broken = requests.post(f"{api.base_url}/{KONTEXT}", headers=KEY, data=b"{", timeout=TIMEOUT)
    assert (broken.status_code, broken.headers["X-Fal-Error-Type"]) == (400, "bad_request")
    assert api.log("submit") == []


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"prompt": ""}, "missing"),
        ({"image_url": None}, "missing"),
        ({"image_url": [DATA_URL]}, "string_type"),
        ({"image_url": None, "image_urls": [DATA_URL]}, "extra_forbidden"),
        ({"model": "fal-ai/nano-banana/edit", "image_url": None, "image_urls": DATA_URL}, "list_type"),
        ({"image_url": "http://127.0.0.1/photo.jpg"}, "image_load_error"),
        ({"image_url": "data:image/jpeg;base64,cGljdHVyZQ=="}, "image_load_error"),
        ({"image_field": "image_url"}, "extra_forbidden"),
        ({"image_size": "odd"}, "enum"),
        ({"num_images": 9}, "less_than_equal"),
    ],
    ids=lambda given: repr(given)[:60],
)
def test_input_that_is_wrong_is_taken_and_answered_422(api: StandIn, given: dict[str, Any], kind: str) -> None:
    answer = response_to(api, submit(api, **given))
    assert answer.status_code == 422
    [detail] = answer.json()["detail"]
    assert detail["type"] == kind
    assert detail.keys() == {"loc", "msg", "type", "input"}
    assert [row["outcome"] for row in api.log("end")] == ["error"]


def test_unknown_path_of_an_app_is_answered_404(api: StandIn) -> None:
    answer = response_to(api, submit(api, model="fal-ai/flux-pro/nothing"))
    assert (answer.status_code, answer.json()) == (404, {"detail": "Path /nothing not found"})


def test_only_what_waits_can_be_canceled(api: StandIn) -> None:
    api.add_fault("hold_queue", times=1)
    waiting = submit(api).json()
    api.wait_for("hold", waiting["request_id"])
    assert requests.post(waiting["cancel_url"], headers=KEY, timeout=TIMEOUT).status_code == 405
    canceled = requests.put(waiting["cancel_url"], headers=KEY, timeout=TIMEOUT)
    assert (canceled.status_code, canceled.json()["status"]) == (202, "CANCELLATION_REQUESTED")
    assert api.wait_for("end", waiting["request_id"])["outcome"] == "canceled"
    answer = get(waiting["response_url"])
    assert (answer.status_code, answer.json()["error_type"]) == (499, "client_cancelled")
    for told in (waiting, submit(api).json()):
        api.wait_for("end", told["request_id"])
        refused = requests.put(told["cancel_url"], headers=KEY, timeout=TIMEOUT)
        assert (refused.status_code, refused.json()["status"]) == (400, "ALREADY_COMPLETED")


def test_request_waits_no_longer_than_it_may(api: StandIn) -> None:
    api.add_fault("hold_queue")
    answer = response_to(api, submit(api, headers={"X-Fal-Request-Timeout": "0.1"}))
    assert (answer.status_code, answer.headers["X-Fal-Error-Type"]) == (504, "request_timeout")


def test_task_can_be_made_to_fail(api: StandIn) -> None:
    body = {"detail": "guest", "error_type": "runner_disconnected"}
    api.add_fault("task_error", times=1, status=503, body=body, headers={"X-Fal-Retryable": "true"})
    answer = response_to(api, submit(api))
    assert (answer.status_code, answer.json(), answer.headers["X-Fal-Retryable"]) == (503, body, "true")
    api.add_fault("task_error", times=1)
    assert response_to(api, submit(api)).status_code == 500
    assert len(pictures(response_to(api, submit(api)))) == 1


def test_results_can_be_made_to_expire(api: StandIn) -> None:
    [image] = response_to(api, submit(api)).json()["images"]
    api.add_fault("expire", times=1)
    assert [requests.get(image["url"], timeout=TIMEOUT).status_code for _ in range(2)] == [404, 200]
