"""Graphs end on the stand-in as they did on the measured server, pictures can be traced, and bad graphs are refused."""

import io
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from PIL import Image

from scripts.simulators import marks, photos
from scripts.simulators.comfyui import Settings, StandIn

Graph = dict[str, Any]
MARK = 0x0123456789ABCDEF
TIMEOUT = 10


@pytest.fixture
def comfyui() -> Iterator[StandIn]:
    with StandIn(Settings(models={"checkpoints": ["dream.safetensors"]})) as standin:
        yield standin


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def blank(color: int = 0, *, size: int = 64, batch: int = 1) -> dict[str, Any]:
    return node("EmptyImage", width=size, height=size, batch_size=batch, color=color)


def save(source: str = "1", prefix: str = "test") -> dict[str, Any]:
    return node("SaveImage", images=[source, 0], filename_prefix=prefix)


def photo_graph(name: str = "photo.jpg", prefix: str = "test") -> Graph:
    return {"1": node("LoadImage", image=name), "2": node("ImageInvert", image=["1", 0]), "3": save("2", prefix)}


def upload(comfyui: StandIn, data: bytes, name: str = "photo.jpg", **fields: str) -> requests.Response:
    return requests.post(f"{comfyui.url}/upload/image", files={"image": (name, data)}, data=fields, timeout=TIMEOUT)


def post(comfyui: StandIn, path: str, body: Any = None) -> requests.Response:
    return requests.post(comfyui.url + path, json=body, timeout=TIMEOUT)


def get(comfyui: StandIn, path: str, **params: str) -> requests.Response:
    return requests.get(comfyui.url + path, params=params, timeout=TIMEOUT)


def submit(comfyui: StandIn, graph: Graph, **more: Any) -> str:
    prompt_id = more.setdefault("prompt_id", str(uuid.uuid4()))
    answer = post(comfyui, "/prompt", {"prompt": graph, **more})
    assert (answer.status_code, answer.json()["node_errors"]) == (200, {})
    return str(prompt_id)


def run(comfyui: StandIn, graph: Graph, **more: Any) -> dict[str, Any]:
    """The history of the prompt, after its end."""
    prompt_id = submit(comfyui, graph, **more)
    comfyui.wait_for("end", prompt_id)
    entry: dict[str, Any] = get(comfyui, f"/history/{prompt_id}").json()[prompt_id]
    return entry


def images_of(entry: dict[str, Any]) -> list[dict[str, str]]:
    return [image for output in entry["outputs"].values() for image in output["images"]]


def picture(comfyui: StandIn, image: dict[str, str]) -> Image.Image:
    answer = get(comfyui, "/view", **image)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
    return Image.open(io.BytesIO(answer.content))


PORTRAIT: Graph = {
    "1": node("LoadImage", image="photo.jpg"),
    "2": node("CheckpointLoaderSimple", ckpt_name="dream.safetensors"),
    "3": node("CLIPTextEncode", text="watercolour", clip=["2", 1]),
    "4": node("VAEEncode", pixels=["1", 0], vae=["2", 2]),
    "5": node("KSampler", model=["2", 0], seed=7, steps=4, cfg=7.0, sampler_name="euler", scheduler="normal",
              positive=["3", 0], negative=["3", 0], latent_image=["4", 0], denoise=0.6),
    "6": node("VAEDecode", samples=["5", 0], vae=["2", 2]),
    "7": save("6"),
}  # fmt: skip
SLEEP = {"image": ["1", 0], "seconds": 0.02, "nonce": 1}
# name: graph, outcome, images
GRAPHS: dict[str, tuple[Graph, str, int]] = {
    "empty_save": ({"1": blank(0xFF0000), "2": save()}, "success", 1),
    "empty_preview": ({"1": blank(255), "2": node("PreviewImage", images=["1", 0])}, "success", 1),
    "photo_invert": (photo_graph(), "success", 1),
    "photo_scale_blur": (
        {
            "1": node("LoadImage", image="photo.jpg"),
            "2": node("ImageScale", image=["1", 0], upscale_method="lanczos", width=512, height=512, crop="center"),
            "3": node("ImageBlur", image=["2", 0], blur_radius=3, sigma=1.0),
            "4": save("3"),
        },
        "success",
        1,
    ),
    "photo_scaleby_sharpen": (
        {
            "1": node("LoadImage", image="photo.jpg"),
            "2": node("ImageScaleBy", image=["1", 0], upscale_method="bicubic", scale_by=0.5),
            "3": node("ImageSharpen", image=["2", 0], sharpen_radius=1, sigma=1.0, alpha=1.0),
            "4": save("3"),
        },
        "success",
        1,
    ),
    "composite_frame": (
        {
            "1": node("LoadImage", image="photo.jpg"),
            "2": node("ImageScale", image=["1", 0], upscale_method="area", width=400, height=400, crop="center"),
            "3": blank(0xFFFFFF, size=600),
            "4": node("ImageCompositeMasked", destination=["3", 0], source=["2", 0], x=9, y=9, resize_source=False),
            "5": save("4"),
        },
        "success",
        1,
    ),
    "batch_of_3": ({"1": blank(batch=3), "2": save()}, "success", 3),
    "two_outputs": ({**photo_graph(), "4": node("PreviewImage", images=["1", 0])}, "success", 2),
    "websocket_output": ({"1": blank(), "2": node("SaveImageWebsocket", images=["1", 0])}, "success", 0),
    "runtime_error": ({"1": node("SaveImage", images="no link", filename_prefix="x")}, "error", 0),
    "sleep": ({"1": blank(), "2": node("TestSleep", **SLEEP, steps=2, preview=False), "3": save("2")}, "success", 1),
    "stubborn": ({"1": blank(), "2": node("TestStubbornSleep", **SLEEP), "3": save("2")}, "success", 1),
    "exception": ({"1": blank(), "2": node("TestFail", image=["1", 0], message="boom"), "3": save("2")}, "error", 0),
    "portrait": (PORTRAIT, "success", 1),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
def test_graph_ends_as_on_a_real_server(comfyui: StandIn, name: str) -> None:
    graph, outcome, count = GRAPHS[name]
    upload(comfyui, photos.portrait(MARK, size=(450, 600)))
    entry = run(comfyui, graph)
    assert entry["status"]["status_str"] == outcome
    assert entry["status"]["completed"] is (outcome == "success")
    images = images_of(entry)
    assert len(images) == count
    for image in images:
        opened = picture(comfyui, image)
        assert json.loads(opened.info["prompt"]) == graph  # which the farm must not hand on to guests
        if "LoadImage" in json.dumps(graph):
            assert marks.read(opened) == MARK


def test_picture_without_a_mark_is_known_by_the_hash_of_its_file(comfyui: StandIn) -> None:
    file = io.BytesIO()
    Image.new("RGB", (400, 300), (200, 80, 20)).save(file, "JPEG")
    upload(comfyui, file.getvalue())
    [image] = images_of(run(comfyui, photo_graph()))
    [submitted] = comfyui.log("submit")
    assert f"{marks.read(picture(comfyui, image)):016x}" == submitted["inputs"][0]["sha256"][:16]


def test_exif_orientation_is_applied(comfyui: StandIn) -> None:
    orientation = Image.Exif()
    orientation[0x0112] = 6
    file = io.BytesIO()
    Image.new("RGB", (100, 50)).save(file, "JPEG", exif=orientation)
    upload(comfyui, file.getvalue())
    [image] = images_of(run(comfyui, photo_graph()))
    assert picture(comfyui, image).size == (50, 100)


def test_partly_invalid_graph_is_accepted_with_errors_and_runs_the_rest(comfyui: StandIn) -> None:
    graph = {"1": blank(), "2": save(), "3": node("LoadImage", image="absent.png"), "4": save("3", "bad")}
    answer = post(comfyui, "/prompt", {"prompt": graph, "prompt_id": "half"})
    assert answer.status_code == 200
    assert answer.json()["node_errors"]["3"]["dependent_outputs"] == ["4"]
    comfyui.wait_for("end", "half")
    entry = get(comfyui, "/history/half").json()["half"]
    assert (entry["status"]["status_str"], list(entry["outputs"])) == ("success", ["2"])


def linked(**changed: Any) -> Graph:
    return {"1": node("EmptyImage", **{"width": 64, "height": 64, "batch_size": 1, "color": 0, **changed}), "2": save()}


REFUSALS: dict[str, tuple[Graph, str, str]] = {
    "nothing": ({}, "prompt_no_outputs", ""),
    "no output": ({"1": blank()}, "prompt_no_outputs", ""),
    "unknown class": ({"1": node("NoSuchNode")}, "invalid_prompt", ""),
    "no class": ({"1": {"inputs": {}}}, "invalid_prompt", ""),
    "absent file": (photo_graph("absent.png"), "prompt_outputs_failed_validation", "custom_validation_failed"),
    "no number": (linked(width="abc"), "prompt_outputs_failed_validation", "invalid_input_type"),
    "too small": (linked(width=0), "prompt_outputs_failed_validation", "value_smaller_than_min"),
    "too big": (linked(width=99999), "prompt_outputs_failed_validation", "value_bigger_than_max"),
    "absent model": (
        {**PORTRAIT, "1": blank(), "2": node("CheckpointLoaderSimple", ckpt_name="other.safetensors")},
        "prompt_outputs_failed_validation",
        "value_not_in_list",
    ),
    "missing input": (
        {"1": node("EmptyImage", width=64, height=64, batch_size=1), "2": save()},
        "prompt_outputs_failed_validation",
        "required_input_missing",
    ),
    "link to nothing": ({"1": save("9")}, "prompt_outputs_failed_validation", "exception_during_validation"),
    "wrong type": (
        {"1": node("EmptyLatentImage", width=64, height=64, batch_size=1), "2": save()},
        "prompt_outputs_failed_validation",
        "return_type_mismatch",
    ),
    "cycle": (
        {"1": node("ImageInvert", image=["2", 0]), "2": node("ImageInvert", image=["1", 0]), "3": save()},
        "prompt_outputs_failed_validation",
        "",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusal_is_worded_as_on_a_real_server(comfyui: StandIn, case: str) -> None:
    graph, kind, node_kind = REFUSALS[case]
    answer = post(comfyui, "/prompt", {"prompt": graph})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == kind
    kinds = [error["type"] for node in answer.json()["node_errors"].values() for error in node["errors"]]
    assert kinds == ([node_kind] if node_kind else [])


@pytest.mark.parametrize("body", ["{", "", '{"prompt": null}', '{"prompt": {}, "number": "abc"}'])
def test_body_that_trips_the_server_up_is_500(comfyui: StandIn, body: str) -> None:
    answer = requests.post(f"{comfyui.url}/prompt", data=body, timeout=TIMEOUT)
    assert (answer.status_code, answer.text[:3]) == (500, "500")


def test_silent_acceptances(comfyui: StandIn) -> None:
    assert run(comfyui, linked(width="128", unknown=1))["prompt"][2]["1"]["inputs"]["width"] == 128
    assert post(comfyui, "/prompt", {"prompt": linked(), "prompt_id": 12345}).json()["prompt_id"] == "12345"
    assert post(comfyui, "/prompt", {"client_id": "x"}).json()["error"]["type"] == "no_prompt"
