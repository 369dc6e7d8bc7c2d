"""The stand-in for DashScope: its ways of asking, its refusals, its tasks, its results without a key."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from PIL import Image

from scripts.simulators import marks, photos
from scripts.simulators.dashscope import StandIn

TIMEOUT = 10
KEY = {"Authorization": "Bearer test"}
ASYNC = KEY | {"X-DashScope-Async": "enable"}
MARK = 0xFEEDFACE12345678
PATHS = {
    "sync": "multimodal-generation/generation",
    "task": "image-generation/generation",
    "image2image": "image2image/image-synthesis",
}


def data_url(picture: Image.Image | None = None, file_format: str = "PNG") -> str:
    if picture is None:
        return "data:image/jpeg;base64," + base64.b64encode(photos.portrait(MARK, size=(450, 600))).decode()
    file = io.BytesIO()
    picture.save(file, file_format)
    return f"data:image/{file_format.lower()};base64," + base64.b64encode(file.getvalue()).decode()


PHOTO = data_url()


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as standin:
        yield standin


def body_of(*content: dict[str, Any], model: str = "qwen-image-edit-plus", **parameters: Any) -> dict[str, Any]:
    message = {"role": "user", "content": list(content) or [{"image": PHOTO}, {"text": "a poster"}]}
    return {"model": model, "input": {"messages": [message]}, "parameters": parameters}


def post(api: StandIn, body: Any, way: str = "sync", headers: dict[str, str] | None = None) -> requests.Response:
    headers = headers or (KEY if way == "sync" else ASYNC)
    url = f"{api.base_url}/services/aigc/{PATHS[way]}"
    return requests.post(url, headers=headers, json=body, timeout=TIMEOUT)


def begun(api: StandIn, body: Any, way: str = "task") -> str:
    answer = post(api, body, way)
    assert (answer.status_code, answer.json()["output"]["task_status"]) == (200, "PENDING"), answer.text
    task_id: str = answer.json()["output"]["task_id"]
    return task_id


def shown(api: StandIn, task_id: str) -> dict[str, Any]:
    answer = requests.get(f"{api.base_url}/tasks/{task_id}", headers=KEY, timeout=TIMEOUT)
    assert answer.status_code == 200
    output: dict[str, Any] = answer.json()["output"]
    return output


def cancel(api: StandIn, task_id: str) -> requests.Response:
    return requests.post(f"{api.base_url}/tasks/{task_id}/cancel", headers=KEY, timeout=TIMEOUT)


def picture_at(url: str) -> Image.Image:
    return Image.open(io.BytesIO(requests.get(url, timeout=TIMEOUT).content))


def test_synchronous_answer_names_a_picture_that_can_be_traced_to_its_photo(api: StandIn) -> None:
    answer = post(api, body_of(size="768*1152", n=2, seed=1, watermark=False, prompt_extend=True))
    assert answer.status_code == 200, answer.text
    [choice] = answer.json()["output"]["choices"]
    pictures = [picture_at(item["image"]) for item in choice["message"]["content"]]
    assert [(picture.format, picture.size, marks.read(picture)) for picture in pictures] == [
        ("PNG", (768, 1152), MARK)
    ] * 2
    assert answer.json()["usage"] == {"image_count": 2}
    [row] = api.log("submit")
    assert row["prompt_id"] == answer.json()["request_id"]
    assert row["inputs"][0]["mark"] == f"{MARK:016x}"
    assert shown(api, row["prompt_id"]) == {"task_id": row["prompt_id"], "task_status": "UNKNOWN"}


def test_task_goes_from_waiting_over_running_to_its_picture(api: StandIn) -> None:
    api.add_fault("hold_queue")
    api.add_fault("hold")
    task_id = begun(api, body_of())
    assert shown(api, task_id) == {"task_id": task_id, "task_status": "PENDING"}
    api.clear_faults(kind="hold_queue")
    api.wait_for("hold", task_id, count=2)  # it waits in the queue first
    assert shown(api, task_id)["task_status"] == "RUNNING"
    api.clear_faults()
    api.wait_for("end", task_id)
    output = shown(api, task_id)
    assert output["task_status"] == "SUCCEEDED"
    picture = picture_at(output["choices"][0]["message"]["content"][0]["image"])
    assert (picture.size, marks.read(picture)) == ((768, 1024), MARK)  # the photo's shape


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        ("wan2.5-i2i-preview", {"prompt": "a poster", "images": [PHOTO], "negative_prompt": "text"}),
        ("wanx2.1-imageedit", {"prompt": "a poster", "function": "stylization_all", "base_image_url": PHOTO}),
    ],
)
def test_older_models_name_their_pictures_as_results(api: StandIn, model: str, asked: dict[str, Any]) -> None:
    task_id = begun(api, {"model": model, "input": asked, "parameters": {"n": 1}}, "image2image")
    api.wait_for("end", task_id)
    [result] = shown(api, task_id)["results"]
    assert marks.read(picture_at(result["url"])) == MARK


def test_results_want_no_key_and_refuse_one(api: StandIn) -> None:
    url = post(api, body_of()).json()["output"]["choices"][0]["message"]["content"][0]["image"]
    assert requests.get(url, headers=KEY, timeout=TIMEOUT).status_code == 400
    assert requests.get(url, timeout=TIMEOUT).status_code == 200
    for other in (url.replace("0.png", "1.png"), f"{api.url}/results/nothing/0.png"):
        assert requests.get(other, timeout=TIMEOUT).status_code == 404


@pytest.mark.parametrize("path", ["services/aigc/multimodal-generation/generation", "tasks/abc", "tasks/abc/cancel"])
def test_without_a_key_nothing_goes(api: StandIn, path: str) -> None:
    method = "GET" if path == "tasks/abc" else "POST"
    answer = requests.request(method, f"{api.base_url}/{path}", timeout=TIMEOUT)
    assert (answer.status_code, answer.json()["code"]) == (401, "InvalidApiKey")
    assert api.log("submit") == []


@pytest.mark.parametrize(("way", "headers"), [("sync", ASYNC), ("task", KEY), ("image2image", KEY)])
def test_each_path_goes_in_one_way_only(api: StandIn, way: str, headers: dict[str, str]) -> None:
    answer = post(api, body_of(), way, headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "AccessDenied")


TEXT, IMAGE = {"text": "a poster"}, {"image": PHOTO}
SMALL, CLEAR = Image.new("RGB", (200, 600)), Image.new("RGBA", (300, 300))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ([], 400, "InvalidParameter"),
        ({}, 400, "InvalidParameter"),
        (body_of(model="dall-e-2"), 404, "ModelNotFound"),
        (body_of(model="wan2.5-i2i-preview"), 400, "InvalidParameter"),
        (body_of(model="kling/kling-v3-image-generation"), 400, "InvalidParameter"),
        (body_of() | {"mode": "sync"}, 400, "InvalidParameter"),
        (body_of(mode="sync"), 400, "InvalidParameter"),
        (body_of(IMAGE), 400, "InvalidParameter"),
        (body_of(TEXT), 400, "InvalidParameter"),
        (body_of(IMAGE, TEXT, TEXT), 400, "InvalidParameter"),
        (body_of(IMAGE, {"text": " "}), 400, "InvalidParameter"),
        (body_of(IMAGE | TEXT), 400, "InvalidParameter"),
        (body_of(IMAGE, IMAGE, IMAGE, IMAGE, TEXT), 400, "InvalidParameter"),
        (body_of({"image": "https://example.org/x.png"}, TEXT), 400, "InvalidURL"),
        (body_of({"image": "data:image/png;base64,!"}, TEXT), 400, "InvalidParameter"),
        (body_of({"image": data_url(SMALL)}, TEXT), 400, "InvalidParameter"),
        (body_of({"image": data_url(CLEAR)}, TEXT), 400, "InvalidParameter"),
        (body_of({"image": data_url(SMALL.resize((300, 300)), "GIF")}, TEXT), 400, "InvalidParameter"),
        (body_of(size="768x1152"), 400, "InvalidParameter"),
        (body_of(size="1152"), 400, "InvalidParameter"),
        (body_of(n=7), 400, "InvalidParameter"),
        (body_of(n="1"), 400, "InvalidParameter"),
        (body_of(seed=-1), 400, "InvalidParameter"),
        (body_of(watermark="false"), 400, "InvalidParameter"),
        (body_of(model="qwen-image-edit", size="768*1152"), 400, "InvalidParameter"),
        (body_of(model="qwen-image-edit", n=2), 400, "InvalidParameter"),
    ],
)
def test_refusals_are_in_the_dialect_s_shape(api: StandIn, body: Any, status: int, code: str) -> None:
    answer = post(api, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert set(answer.json()) == {"code", "message", "request_id"}
    assert api.log("submit") == []


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        ("wan2.5-i2i-preview", {"prompt": "", "images": [PHOTO]}),
        ("wan2.5-i2i-preview", {"prompt": "a poster", "images": []}),
        ("wan2.5-i2i-preview", {"prompt": "a poster", "images": PHOTO}),
        ("wan2.5-i2i-preview", {"prompt": "a poster", "images": [PHOTO], "function": "doodle"}),
        ("wanx2.1-imageedit", {"prompt": "a poster", "function": "paint", "base_image_url": PHOTO}),
        ("wanx2.1-imageedit", {"prompt": "a poster", "base_image_url": PHOTO}),
    ],
)
def test_older_models_refuse_what_they_do_not_know(api: StandIn, model: str, asked: dict[str, Any]) -> None:
    answer = post(api, {"model": model, "input": asked, "parameters": {}}, "image2image")
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidParameter")


def test_only_a_waiting_task_can_be_canceled(api: StandIn) -> None:
    api.add_fault("hold_queue", times=1)
    waiting = begun(api, body_of())
    assert cancel(api, waiting).status_code == 200
    assert api.wait_for("end", waiting)["outcome"] == "canceled"
    assert shown(api, waiting)["task_status"] == "CANCELED"
    api.add_fault("hold", times=1)
    running = begun(api, body_of())
    api.wait_for("hold", running)
    for task_id in (waiting, running, "never-heard-of"):
        answer = cancel(api, task_id)
        assert (answer.status_code, answer.json()["code"]) == (400, "UnsupportedOperation")
    api.clear_faults()
    assert api.wait_for("end", running)["outcome"] == "success"


def test_task_fails_on_demand_with_the_answer_200(api: StandIn) -> None:
    body = {"code": "DataInspectionFailed", "message": "inappropriate content"}
    api.add_fault("task_error", body=body, times=2)
    task_id = begun(api, body_of())
    assert api.wait_for("end", task_id)["outcome"] == "error"
    assert shown(api, task_id) == {"task_id": task_id, "task_status": "FAILED"} | body
    answer = post(api, body_of())
    assert (answer.status_code, answer.json()["code"]) == (400, "DataInspectionFailed")


def test_task_is_forgotten_on_demand_with_its_pictures(api: StandIn) -> None:
    task_id = begun(api, body_of())
    api.wait_for("end", task_id)
    url = shown(api, task_id)["choices"][0]["message"]["content"][0]["image"]
    api.add_fault("forget", times=1)
    for _ in range(2):
        assert shown(api, task_id) == {"task_id": task_id, "task_status": "UNKNOWN"}
    assert requests.get(url, timeout=TIMEOUT).status_code == 404
