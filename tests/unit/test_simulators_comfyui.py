"""The ComfyUI stand-in behaves as the measured server: uploads, queue, cache, sockets, restart."""

import io
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import websocket
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


SMALL: Graph = {"1": blank(), "2": save()}


def test_same_name_with_other_bytes_is_renamed(comfyui: StandIn) -> None:
    names = [upload(comfyui, data, "a.png", **more).json()["name"] for data, more in (
        (b"1", {}), (b"1", {}), (b"2", {}), (b"3", {"overwrite": "True"}), (b"3", {"overwrite": "true"}))]  # fmt: skip
    assert names == ["a.png", "a.png", "a (1).png", "a (2).png", "a.png"]
    assert upload(comfyui, b"1", "s.png", subfolder="jobs/42").json()["subfolder"] == "jobs/42"
    assert upload(comfyui, b"1", "s.png", subfolder="../evil").status_code == 400
    assert upload(comfyui, b"1", "x/y.png").status_code == 500
    assert upload(comfyui, b"1", "b.png", type="bogus").status_code == 500


def test_same_prompt_id_runs_twice_and_delete_takes_one(comfyui: StandIn) -> None:
    comfyui.add_fault("hold_queue")
    for color in (1, 2, 3):
        submit(comfyui, {"1": blank(color), "2": save()}, prompt_id="twin")
    post(comfyui, "/queue", {"delete": ["twin"]})
    assert get(comfyui, "/prompt").json() == {"exec_info": {"queue_remaining": 2}}
    comfyui.clear_faults()
    comfyui.wait_for("end", "twin", count=2)
    assert len(get(comfyui, "/history").json()) == 1
    assert (comfyui.stats()["submissions"], comfyui.stats()["executions"]) == ({"twin": 3}, {"twin": 2})
    assert comfyui.stats()["max_concurrent"] == 3


def test_deleted_prompt_leaves_no_trace_and_order_follows_the_number(comfyui: StandIn) -> None:
    comfyui.add_fault("hold_queue")
    ids = [submit(comfyui, {"1": blank(), "2": save()}, prompt_id=name) for name in ("a", "b", "c")]
    submit(comfyui, {"1": blank(), "2": save()}, prompt_id="first", front=True)
    post(comfyui, "/queue", {"delete": ["b", "unknown"]})
    comfyui.clear_faults()
    comfyui.wait_for("end", count=len(ids))
    assert [row["prompt_id"] for row in comfyui.log("start")] == ["first", "a", "c"]
    assert get(comfyui, "/history/b").json() == {}


def test_interrupt_by_id_stops_only_what_runs(comfyui: StandIn) -> None:
    comfyui.add_fault("hold")
    running = submit(comfyui, {"1": blank(1), "2": save()})
    waiting = submit(comfyui, {"1": blank(2), "2": save()})
    comfyui.wait_for("hold", running)
    post(comfyui, "/interrupt", {"prompt_id": waiting})
    post(comfyui, "/interrupt", {"prompt_id": running})
    comfyui.wait_for("end", running)
    comfyui.clear_faults()
    assert comfyui.wait_for("end", waiting)["outcome"] == "success"
    status = get(comfyui, f"/history/{running}").json()[running]["status"]
    assert (status["status_str"], status["messages"][-1][0]) == ("error", "execution_interrupted")


def test_cache_knows_the_previous_prompt_only(comfyui: StandIn) -> None:
    first, other = {"1": blank(1), "2": save(prefix="a")}, {"1": blank(2), "2": save(prefix="b")}
    names = [images_of(run(comfyui, graph))[0]["filename"] for graph in (first, first, other, first)]
    assert names == ["a_00001_.png", "a_00001_.png", "b_00001_.png", "a_00002_.png"]
    assert [len(row["executed"]) for row in comfyui.log("end")] == [2, 0, 2, 2]
    post(comfyui, "/free", {"free_memory": True})
    assert images_of(run(comfyui, first))[0]["filename"] == "a_00003_.png"


def test_overwritten_photo_is_not_cached(comfyui: StandIn) -> None:
    upload(comfyui, photos.portrait(1, size=(450, 600)))
    run(comfyui, photo_graph())
    upload(comfyui, photos.portrait(2, size=(450, 600)), overwrite="true")
    assert marks.read(picture(comfyui, images_of(run(comfyui, photo_graph()))[0])) == 2


def test_restart_forgets_prompts_and_keeps_files(comfyui: StandIn) -> None:
    entry = run(comfyui, {"1": blank(), "2": save()}, prompt_id="done")
    comfyui.add_fault("hold_queue")
    submit(comfyui, {"1": blank(), "2": save()}, prompt_id="lost")
    before = comfyui.boot_id
    assert comfyui.restart() != before
    comfyui.clear_faults()
    assert comfyui.log("boot")[-1]["lost"] == ["lost"]
    assert get(comfyui, "/history").json() == {}
    assert get(comfyui, "/queue").json() == {"queue_running": [], "queue_pending": []}
    assert get(comfyui, "/view", **images_of(entry)[0]).status_code == 200
    assert post(comfyui, "/prompt", {"prompt": SMALL}).json()["number"] == 0


def test_poison_prompt_makes_a_zombie_that_answers_200(comfyui: StandIn) -> None:
    submit(comfyui, {"1": blank(), "2": save(), "3": {"class_type": "EmptyImage"}}, prompt_id="poison")
    comfyui.wait_for("start", "poison")
    submit(comfyui, SMALL, prompt_id="behind")
    comfyui.server.boot.execution.join(TIMEOUT)
    post(comfyui, "/interrupt")
    queue = get(comfyui, "/queue").json()
    assert [entry[1] for entry in queue["queue_running"] + queue["queue_pending"]] == ["poison", "behind"]


def test_socket_gets_the_frames_of_its_own_prompt(comfyui: StandIn) -> None:
    socket = websocket.create_connection(f"ws://127.0.0.1:{comfyui.port}/ws?clientId=me", timeout=TIMEOUT)
    graph = {
        "1": blank(),
        "2": node("TestSleep", image=["1", 0], seconds=0.02, steps=2, preview=True, nonce=1),
        "3": save("2"),
    }
    submit(comfyui, graph, client_id="me")
    kinds, binary = [], 0
    while True:
        opcode, data = socket.recv_data()
        if opcode == websocket.ABNF.OPCODE_BINARY:
            binary += 1
            assert data[:8] == bytes([0, 0, 0, 1, 0, 0, 0, 1])
            continue
        message = json.loads(data)
        kinds.append(message["type"])
        if message["type"] == "executing" and message["data"]["node"] is None:
            break
    socket.close()
    assert binary == 2
    assert kinds[:3] == ["status"] * 3
    assert [kind for kind in kinds if kind not in ("status", "progress_state")] == [
        "execution_start", "execution_cached", "executing", "executing", "progress", "progress", "executing",
        "executed", "execution_success", "executing",
    ]  # fmt: skip


def test_what_a_server_offers_is_in_object_info(comfyui: StandIn) -> None:
    comfyui.configure(without=["Canny"])
    nodes = get(comfyui, "/api/object_info").json()
    assert nodes["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0] == ["dream.safetensors"]
    assert nodes["KSampler"]["output"] == ["LATENT"]
    assert "Canny" not in nodes
    assert get(comfyui, "/object_info/NoSuchNode").json() == {}
    assert post(comfyui, "/prompt", {"prompt": {"1": node("Canny")}}).json()["error"]["type"] == "invalid_prompt"
