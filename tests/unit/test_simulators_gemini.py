"""The stand-in for Gemini's image models: its dialect and its refusals."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from PIL import Image

from scripts.simulators import marks, photos
from scripts.simulators.gemini import StandIn

TIMEOUT = 10
KEY = {"x-goog-api-key": "test"}
MARK = 0xFEEDFACE12345678
PHOTO = base64.b64encode(photos.portrait(MARK, size=(450, 600))).decode()
BLOB = {"mimeType": "image/jpeg", "data": PHOTO}
FLASH, PRO = "gemini-2.5-flash-image", "gemini-3-pro-image-preview"


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as standin:
        yield standin


def body_of(blob: Any = BLOB, *, config: Any = None, **more: Any) -> dict[str, Any]:
    parts = [{"text": "a poster"}, {"inlineData": blob}]
    return {"contents": [{"parts": parts}], "generationConfig": config or {}} | more


def image_config(**fields: Any) -> dict[str, Any]:
    return body_of(config={"responseModalities": ["IMAGE"], "imageConfig": fields})


def ask(api: StandIn, body: Any, *, model: str = FLASH, headers: dict[str, str] = KEY) -> requests.Response:
    url = f"{api.base_url}/models/{model}:generateContent"
    return requests.post(url, headers=headers, json=body, timeout=TIMEOUT)


def parts_of(answer: requests.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    [candidate] = answer.json()["candidates"]
    assert candidate["finishReason"] == "STOP"
    parts: list[dict[str, Any]] = candidate["content"]["parts"]
    return parts


@pytest.mark.parametrize(
    ("model", "fields", "size"),
    [
        (FLASH, {"aspectRatio": "2:3"}, (832, 1248)),
        (FLASH, {}, (864, 1184)),
        (PRO, {"aspectRatio": "1:1", "imageSize": "2K"}, (2048, 2048)),
    ],
    ids=str,
)
def test_picture_can_be_traced_to_its_photo(
    api: StandIn, model: str, fields: dict[str, str], size: tuple[int, int]
) -> None:
    answer = ask(api, image_config(**fields), model=model)
    [part] = parts_of(answer)
    picture = Image.open(io.BytesIO(base64.b64decode(part["inlineData"]["data"])))
    assert (picture.size, marks.read(picture)) == (size, MARK)
    [row] = api.log("submit")
    assert (row["prompt_id"], row["model"]) == (answer.json()["responseId"], model)
    assert row["inputs"][0]["mark"] == f"{MARK:016x}"


def test_words_come_too_unless_ruled_out(api: StandIn) -> None:
    assert [set(part) for part in parts_of(ask(api, body_of()))] == [{"text"}, {"inlineData"}]
    assert [set(part) for part in parts_of(ask(api, body_of(config={"responseModalities": ["TEXT"]})))] == [{"text"}]


def test_names_with_underscores_are_taken(api: StandIn) -> None:
    part = {"inline_data": {"mime_type": "image/jpeg", "data": PHOTO}}
    config = {"response_modalities": ["IMAGE"], "image_config": {"aspect_ratio": "1:1"}}
    body = {"contents": [{"role": "user", "parts": [{"text": "x"}, part]}], "generation_config": config}
    assert [set(part) for part in parts_of(ask(api, body))] == [{"inlineData"}]


def test_without_a_key_nothing_goes(api: StandIn) -> None:
    answer = ask(api, body_of(), headers={"Authorization": "Bearer test"})
    assert (answer.status_code, answer.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert api.log("submit") == []


def test_unknown_model_is_not_found(api: StandIn) -> None:
    answer = ask(api, body_of(), model="gemini-9")
    assert (answer.status_code, answer.json()["error"]["status"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"contents": []},
        {"contents": ["x"]},
        {"contents": [{"parts": []}]},
        {"contents": [{"parts": [{"text": 7}]}]},
        {"contents": [{"parts": [{}]}]},
        {"contents": [{"parts": [{"text": "x", "inlineData": BLOB}]}]},
        {"contents": [{"role": "system", "parts": [{"text": "x"}]}]},
        {"contents": [{"parts": [{"inlineData": BLOB}]}]},
        body_of(model=FLASH),
        body_of(BLOB | {"mimeType": "image/JPEG"}),
        body_of(BLOB | {"data": "!"}),
        body_of(BLOB | {"data": 7}),
        body_of(BLOB | {"data": "AAAA"}),
        body_of(BLOB | {"url": "https://example.org/a.png"}),
        body_of(config={"size": "1024x1024"}),
        body_of(config={"responseModalities": ["VIDEO"]}),
        image_config(size="1K"),
        image_config(aspectRatio="7:5"),
        image_config(imageSize="2k"),
        image_config(imageSize="2K"),
        image_config(imageSize=["2K"]),
    ],
    ids=lambda body: str(body).replace(PHOTO, "…")[:90],
)
def test_what_it_does_not_know_is_an_invalid_argument(api: StandIn, body: Any) -> None:
    answer = ask(api, body)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT"), answer.text
    assert api.log("submit") == []


def test_too_large_a_body_is_refused(api: StandIn) -> None:
    assert ask(api, body_of() | {"systemInstruction": "x" * 21_000_000}).status_code == 400
