"""The stand-in for Ark and SiliconFlow: their dialects, their refusals, results without a key."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from PIL import Image

from scripts.simulators import marks, photos
from scripts.simulators.ark_images import SiliconflowStandIn, StandIn

TIMEOUT = 10
KEY = {"Authorization": "Bearer test"}
MARK = 0xFEEDFACE12345678
PHOTO = photos.portrait(MARK, size=(450, 600))
URL = "data:image/jpeg;base64," + base64.b64encode(PHOTO).decode()
ARK = {"model": "doubao-seedream-4-0-250828", "prompt": "a poster", "image": URL, "size": "768x1200"}
SILICONFLOW = {"model": "Qwen/Qwen-Image-Edit-2509", "prompt": "a poster", "image": URL}


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as standin:
        yield standin


@pytest.fixture
def siliconflow() -> Iterator[SiliconflowStandIn]:
    with SiliconflowStandIn() as standin:
        yield standin


def ask(api: StandIn, body: Any, headers: dict[str, str] = KEY) -> requests.Response:
    return requests.post(f"{api.base_url}/images/generations", headers=headers, json=body, timeout=TIMEOUT)


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def jpeg(width: int, height: int) -> str:
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def test_ark_gives_a_picture_that_can_be_traced_to_its_photo(api: StandIn) -> None:
    answer = ask(api, ARK | {"response_format": "b64_json", "watermark": False})
    assert answer.status_code == 200, answer.text
    [item] = answer.json()["data"]
    picture = opened(base64.b64decode(item["b64_json"]))
    assert (picture.format, picture.size, marks.read(picture)) == ("JPEG", (768, 1200), MARK)
    assert (item["size"], answer.json()["usage"]["generated_images"]) == ("768x1200", 1)
    [row] = api.log("submit")
    assert (row["prompt_id"], row["watermark"]) == (answer.headers["x-request-id"], False)
    assert row["inputs"][0]["mark"] == f"{MARK:016x}"
    assert api.log("end")[0]["outcome"] == "success"


def test_ark_names_addresses_and_marks_pictures_unless_told_otherwise(api: StandIn) -> None:
    answer = ask(api, ARK)
    address = answer.json()["data"][0]["url"]
    assert marks.read(opened(requests.get(address, timeout=TIMEOUT).content)) == MARK
    assert api.log("submit")[0]["watermark"] is True
    assert requests.get(address + "9", timeout=TIMEOUT).status_code == 404


def test_a_tier_of_size_follows_the_photos_shape(api: StandIn) -> None:
    ask(api, ARK | {"size": "1K"})
    assert api.log("submit")[0]["size"] == "880x1184"


def test_a_sequence_gives_as_many_pictures_as_allowed(api: StandIn) -> None:
    more = {"sequential_image_generation": "auto", "sequential_image_generation_options": {"max_images": 2}}
    assert len(ask(api, ARK | more).json()["data"]) == 2


@pytest.mark.parametrize(
    ("change", "status", "code", "param"),
    [
        ({"model": ""}, 400, "MissingParameter", "model"),
        ({"model": "seedream-9"}, 404, "InvalidEndpointOrModel.NotFound", ""),
        ({"prompt": ""}, 400, "MissingParameter", "prompt"),
        ({"prompt": 7}, 400, "MissingParameter", "prompt"),
        ({"n": 2}, 400, "InvalidParameter", "n"),
        ({"output_format": "png"}, 400, "InvalidParameter", "output_format"),
        ({"size": "3K"}, 400, "InvalidParameter", "size"),
        ({"size": "100x100"}, 400, "InvalidParameter", "size"),
        ({"size": "9999x9999"}, 400, "InvalidParameter", "size"),
        ({"size": "768*1200"}, 400, "InvalidParameter", "size"),
        ({"size": 1200}, 400, "InvalidParameter", "size"),
        ({"watermark": "false"}, 400, "InvalidParameter", "watermark"),
        ({"response_format": "png"}, 400, "InvalidParameter", "response_format"),
        ({"seed": "x"}, 400, "InvalidParameter", "seed"),
        ({"stream": True}, 400, "InvalidParameter", "stream"),
        ({"sequential_image_generation_options": {"max_images": 99}}, 400, "InvalidParameter", None),
        ({"image": "https://example.org/a.png"}, 400, "InvalidImageURL", "image"),
        ({"image": "data:image/jpeg;base64,!"}, 400, "InvalidImageURL", "image"),
        ({"image": 7}, 400, "InvalidImageURL", "image"),
        ({"image": URL.replace("jpeg", "JPEG", 1)}, 400, "InvalidParameter.UnsupportedImageFormat", "image"),
        ({"image": "data:image/jpeg;base64,AAAA"}, 400, "InvalidParameter.UnsupportedImageFormat", "image"),
        ({"image": jpeg(400, 20)}, 400, "InvalidParameter", "image"),
        ({"image": jpeg(14, 14)}, 400, "InvalidParameter", "image"),
        ({"image": [URL] * 15}, 400, "InvalidParameter", "image"),
        ({"model": "doubao-seedream-5-0-pro-260628", "sequential_image_generation": "disabled"}, 400, None, None),
        ({"model": "doubao-seedream-4-5-251128"}, 400, "InvalidParameter", "size"),
    ],
    ids=str,
)
def test_ark_refuses_by_code(
    api: StandIn, change: dict[str, Any], status: int, code: str | None, param: str | None
) -> None:
    answer = ask(api, ARK | change)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == (code or "InvalidParameter")
    assert param is None or error["param"] == param
    assert answer.headers["x-request-id"]
    assert api.log("submit") == []


@pytest.mark.parametrize("body", [None, [], "text"], ids=repr)
def test_ark_takes_objects_only(api: StandIn, body: Any) -> None:
    assert ask(api, body).json()["error"]["code"] == "InvalidParameter"


def test_without_a_key_nothing_goes(api: StandIn, siliconflow: SiliconflowStandIn) -> None:
    answer = ask(api, ARK, {})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "AuthenticationError")
    answer = ask(siliconflow, SILICONFLOW, {})
    assert (answer.status_code, answer.json()) == (401, "Invalid token")
    assert api.log("submit") == siliconflow.log("submit") == []


def test_siliconflow_names_a_picture_that_needs_no_key(siliconflow: SiliconflowStandIn) -> None:
    answer = ask(siliconflow, SILICONFLOW | {"num_inference_steps": 20, "seed": 7})
    assert answer.status_code == 200, answer.text
    [item] = answer.json()["images"]
    picture = opened(requests.get(item["url"], timeout=TIMEOUT).content)
    assert (picture.size, marks.read(picture)) == ((450, 600), MARK)
    assert answer.json()["seed"] == 7
    assert siliconflow.log("submit")[0]["prompt_id"] == answer.headers["x-siliconcloud-trace-id"]


def test_siliconflow_dreams_in_batches(siliconflow: SiliconflowStandIn) -> None:
    body = {"model": "Kwai-Kolors/Kolors", "prompt": "a hall", "image_size": "768x1024", "batch_size": 2}
    images = ask(siliconflow, body).json()["images"]
    sizes = [opened(requests.get(item["url"], timeout=TIMEOUT).content).size for item in images]
    assert sizes == [(768, 1024)] * 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (SILICONFLOW | {"model": "elsewhere/x"}, 20012),
        (SILICONFLOW | {"model": ["x"]}, 20012),
        (without(SILICONFLOW, "prompt"), 20015),
        (without(SILICONFLOW, "image"), 20015),
        (SILICONFLOW | {"image_size": "768x1024"}, 20015),
        (SILICONFLOW | {"response_format": "b64_json"}, 20015),
        (SILICONFLOW | {"watermark": False}, 20015),
        (SILICONFLOW | {"num_inference_steps": 0}, 20015),
        (SILICONFLOW | {"num_inference_steps": "20"}, 20015),
        (SILICONFLOW | {"guidance_scale": 21}, 20015),
        (SILICONFLOW | {"image": "https://example.org/a.png"}, 20015),
        (SILICONFLOW | {"image": [URL]}, 20015),
        ({"model": "Kwai-Kolors/Kolors", "prompt": "x", "image_size": "1K"}, 20015),
        ([], 20015),
    ],
    ids=lambda value: str(value)[:60],
)
def test_siliconflow_refuses_by_number(siliconflow: SiliconflowStandIn, body: Any, code: int) -> None:
    answer = ask(siliconflow, body)
    assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (400, code, None)
    assert siliconflow.log("submit") == []
