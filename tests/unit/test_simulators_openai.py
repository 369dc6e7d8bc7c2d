"""The stand-in for the OpenAI images API: its dialect, its refusals, its count of calls at once, its faults."""

import base64
import io
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from PIL import Image

from scripts.simulators import marks, photos
from scripts.simulators.openai_images import StandIn

TIMEOUT = 10
KEY = {"Authorization": "Bearer test"}
MARK = 0xFEEDFACE12345678


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as standin:
        yield standin


def edit(api: StandIn, *, field: str = "image", content_type: str = "image/jpeg", **fields: Any) -> requests.Response:
    photo = ("photo.jpg", photos.portrait(MARK, size=(450, 600)), content_type)
    data = {"prompt": "a poster", "model": "gpt-image-1.5", **fields}
    return requests.post(f"{api.base_url}/images/edits", headers=KEY, data=data, files={field: photo}, timeout=TIMEOUT)


def pictures(answer: requests.Response) -> list[Image.Image]:
    assert answer.status_code == 200, answer.text
    return [Image.open(io.BytesIO(base64.b64decode(item["b64_json"]))) for item in answer.json()["data"]]


@pytest.mark.parametrize("field", ["image", "image[]"])
def test_edit_gives_a_picture_that_can_be_traced_to_its_photo(api: StandIn, field: str) -> None:
    answer = edit(api, field=field, size="1024x1536", output_format="jpeg", output_compression="80")
    [picture] = pictures(answer)
    assert (picture.format, picture.size, marks.read(picture)) == ("JPEG", (1024, 1536), MARK)
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.json()["usage"]["total_tokens"] > 0
    [row] = api.log("submit")
    assert row["prompt_id"] == answer.headers["x-request-id"]
    assert row["inputs"][0]["mark"] == f"{MARK:016x}"
    assert api.log("end")[0]["outcome"] == "success"


def test_generation_gives_as_many_pictures_as_asked_for(api: StandIn) -> None:
    body = {"prompt": "a hall", "n": 2, "size": "1024x1024"}
    answer = requests.post(f"{api.base_url}/images/generations", headers=KEY, json=body, timeout=TIMEOUT)
    assert [picture.size for picture in pictures(answer)] == [(1024, 1024)] * 2


def test_json_edit_takes_data_urls(api: StandIn) -> None:
    url = "data:image/jpeg;base64," + base64.b64encode(photos.portrait(MARK, size=(450, 600))).decode()
    body = {"prompt": "a poster", "images": [{"image_url": url}]}
    answer = requests.post(f"{api.base_url}/images/edits", headers=KEY, json=body, timeout=TIMEOUT)
    assert marks.read(pictures(answer)[0]) == MARK


def test_without_a_key_nothing_goes(api: StandIn) -> None:
    answer = requests.post(f"{api.base_url}/images/edits", timeout=TIMEOUT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert api.log("submit") == []


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"prompt": ""}, 400, "prompt"),
        ({"size": "7x7"}, 400, "size"),
        ({"n": "11"}, 400, "n"),
        ({"quality": "best"}, 400, "quality"),
        ({"output_format": "gif"}, 400, "output_format"),
        ({"response_format": "url"}, 400, "response_format"),
        ({"content_type": "application/octet-stream"}, 400, "image"),
        ({"field": "picture"}, 400, "image"),
        ({"model": "dall-e-2"}, 404, "model"),
    ],
)
def test_refusals_name_the_parameter(api: StandIn, fields: dict[str, Any], status: int, param: str) -> None:
    answer = edit(api, **fields)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert api.log("submit") == []


def test_calls_at_once_are_counted(api: StandIn) -> None:
    api.add_fault("hold")
    callers = [threading.Thread(target=edit, args=(api,)) for _ in range(3)]
    for caller in callers:
        caller.start()
    api.wait_for("hold", count=3)
    assert api.stats()["in_flight"] == 3
    api.clear_faults()
    for caller in callers:
        caller.join(TIMEOUT)
    assert (api.stats()["in_flight"], api.stats()["max_concurrent"]) == (0, 3)


def test_faults_are_those_of_any_stand_in(api: StandIn) -> None:
    body = {"error": {"message": "slow", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}}
    api.add_fault("status", path="/v1/images", times=1, status=429, body=body, headers={"Retry-After": "3"})
    answer = edit(api)
    assert (answer.status_code, answer.headers["Retry-After"], answer.json()) == (429, "3", body)
    api.add_fault("drop_after", times=1)
    with pytest.raises(requests.ConnectionError):
        edit(api)
    assert len(api.log("submit")) == 1  # the first was not processed, the second was, and cost money
    with pytest.raises(ValueError, match="unknown kind"):
        api.add_fault("zombie")
