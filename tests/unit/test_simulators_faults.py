"""A stand-in goes wrong exactly as asked, as often as asked, and is well again when the fault is cleared."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import websocket

from scripts.simulators.comfyui import Settings, StandIn

TIMEOUT = 10
SHORT = 0.3  # for requests that are meant to get no answer
GRAPH: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 5}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "fault"}},
}


@pytest.fixture
def comfyui() -> Iterator[StandIn]:
    with StandIn(Settings(max_upload_bytes=1024 * 1024)) as standin:
        yield standin


def submit(comfyui: StandIn, prompt_id: str = "p", *, timeout: float = TIMEOUT, **more: Any) -> requests.Response:
    body = {"prompt": GRAPH, "prompt_id": prompt_id, **more}
    return requests.post(f"{comfyui.url}/prompt", json=body, timeout=timeout)


def get(comfyui: StandIn, path: str) -> requests.Response:
    return requests.get(comfyui.url + path, timeout=TIMEOUT)


def finished(comfyui: StandIn, prompt_id: str = "p") -> dict[str, Any]:
    comfyui.wait_for("end", prompt_id)
    entry: dict[str, Any] = get(comfyui, f"/history/{prompt_id}").json()[prompt_id]
    return entry


def submitted(comfyui: StandIn) -> list[str]:
    return [row["prompt_id"] for row in comfyui.log("submit")]


def test_status_replaces_the_answer_as_often_as_asked(comfyui: StandIn) -> None:
    fault = comfyui.add_fault(
        "status", path="/prompt", times=2, status=503, body="<h1>busy</h1>", headers={"Retry-After": "7"}
    )
    answers = [submit(comfyui) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].headers["Content-Type"].startswith("text/html")
    assert answers[0].headers["Retry-After"] == "7"
    assert (fault.hits, submitted(comfyui)) == (2, ["p"])


def test_body_replaces_the_answer_of_a_request_that_was_processed(comfyui: StandIn) -> None:
    comfyui.add_fault("body", path="/prompt", body={"prompt_id": "other", "number": 0, "node_errors": {}})
    assert submit(comfyui).json()["prompt_id"] == "other"
    assert submitted(comfyui) == ["p"]


def test_method_match_and_skip_choose_the_request(comfyui: StandIn) -> None:
    comfyui.add_fault("status", path="/prompt", method="post", match="second", skip=1, times=1, status=500)
    statuses = [submit(comfyui, name).status_code for name in ("first", "second", "second", "second")]
    assert statuses == [200, 200, 500, 200]
    assert get(comfyui, "/prompt").status_code == 200


def test_frozen_request_is_processed_after_its_client_left(comfyui: StandIn) -> None:
    comfyui.add_fault("freeze", path="/prompt")
    with pytest.raises(requests.ReadTimeout):
        submit(comfyui, timeout=SHORT)
    assert submitted(comfyui) == []
    comfyui.clear_faults()
    assert comfyui.wait_for("end", "p")["outcome"] == "success"


@pytest.mark.parametrize("kind", ["hang_after", "drop_after"])
def test_request_without_answer_was_processed(comfyui: StandIn, kind: str) -> None:
    comfyui.add_fault(kind, path="/prompt", times=1)
    with pytest.raises((requests.ReadTimeout, requests.ConnectionError)):
        submit(comfyui, timeout=SHORT)
    assert finished(comfyui)["status"]["completed"]


def test_dropped_request_was_not_processed(comfyui: StandIn) -> None:
    comfyui.add_fault("drop", path="/prompt", times=1)
    with pytest.raises(requests.ConnectionError):
        submit(comfyui)
    assert submitted(comfyui) == []
    assert submit(comfyui).status_code == 200


def test_downloads_trickle_break_off_or_are_cut(comfyui: StandIn) -> None:
    submit(comfyui)
    finished(comfyui)
    whole = get(comfyui, "/view?filename=fault_00001_.png").content
    comfyui.add_fault("cut", path="/view", times=1)
    assert get(comfyui, "/view?filename=fault_00001_.png").content == whole[: len(whole) // 2]
    comfyui.add_fault("truncate", path="/view", times=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(comfyui, "/view?filename=fault_00001_.png")
    comfyui.add_fault("drip", path="/view", times=1, bytes_per_s=len(whole) * 10)
    begun = time.monotonic()
    assert get(comfyui, "/view?filename=fault_00001_.png").content == whole
    assert time.monotonic() - begun > 0.05
    comfyui.add_fault("huge", path="/view", times=1, bytes=3_000_000)
    assert len(get(comfyui, "/view?filename=fault_00001_.png").content) == 3_000_000


def test_hold_keeps_a_prompt_running_until_cleared(comfyui: StandIn) -> None:
    comfyui.add_fault("hold", times=1)
    submit(comfyui)
    comfyui.wait_for("hold", "p")
    assert [entry[1] for entry in get(comfyui, "/queue").json()["queue_running"]] == ["p"]
    assert get(comfyui, "/history/p").json() == {}
    comfyui.clear_faults(kind="hold")
    assert finished(comfyui)["status"]["completed"]


def test_ordered_failure_reads_as_a_real_one(comfyui: StandIn) -> None:
    comfyui.add_fault("exec_error", times=1, exception_type="torch.OutOfMemoryError", exception_message="out of memory")
    submit(comfyui)
    event, message = finished(comfyui)["status"]["messages"][-1]
    assert (event, message["exception_type"]) == ("execution_error", "torch.OutOfMemoryError")
    assert comfyui.log("end")[0]["exception_type"] == "torch.OutOfMemoryError"
    submit(comfyui, "well")
    assert finished(comfyui, "well")["status"]["completed"]


def test_zombie_answers_until_it_is_restarted(comfyui: StandIn) -> None:
    comfyui.add_fault("zombie", times=1)
    submit(comfyui)
    comfyui.server.boot.execution.join(TIMEOUT)
    assert get(comfyui, "/system_stats").status_code == 200
    assert len(get(comfyui, "/queue").json()["queue_running"]) == 1
    comfyui.restart()
    submit(comfyui, "after")
    assert finished(comfyui, "after")["status"]["completed"]


def test_lost_and_misnamed_files(comfyui: StandIn) -> None:
    comfyui.add_fault("lose", times=1)
    submit(comfyui)
    [image] = finished(comfyui)["outputs"]["2"]["images"]
    assert requests.get(f"{comfyui.url}/view", params=image, timeout=TIMEOUT).status_code == 404
    comfyui.add_fault("filename", times=1, filename="../../x")
    submit(comfyui, "q")
    [image] = finished(comfyui, "q")["outputs"]["2"]["images"]
    assert image["filename"] == "../../x"
    assert requests.get(f"{comfyui.url}/view", params=image, timeout=TIMEOUT).status_code == 400


def test_sockets_can_be_silenced_and_dropped(comfyui: StandIn) -> None:
    address = f"ws://127.0.0.1:{comfyui.port}/ws?clientId=me"
    comfyui.add_fault("ws_silent")
    socket = websocket.create_connection(address, timeout=SHORT)
    submit(comfyui, client_id="me")
    comfyui.wait_for("end", "p")
    with pytest.raises(websocket.WebSocketTimeoutException):
        socket.recv()
    comfyui.add_fault("ws_drop", times=1)
    socket.settimeout(TIMEOUT)
    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
        socket.recv()
    socket.close()
    comfyui.clear_faults(kind="ws_silent")
    socket = websocket.create_connection(address, timeout=TIMEOUT)
    assert json.loads(socket.recv())["type"] == "status"
    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
        socket.recv()
    socket.close()


def test_faults_over_http_and_unknown_ones_refused(comfyui: StandIn) -> None:
    address = f"{comfyui.url}/_standin/faults"
    wishes = [{"kind": "status", "path": "/queue", "times": 1, "status": 418}, {"kind": "hold_queue"}]
    added = requests.post(address, json=wishes, timeout=TIMEOUT).json()
    assert get(comfyui, "/queue").status_code == 418
    assert [fault["hits"] for fault in requests.get(address, timeout=TIMEOUT).json()] == [1, 0]
    assert requests.delete(address, params={"id": added[1]["id"]}, timeout=TIMEOUT).json() == {"cleared": 1}
    assert requests.post(address, json={"kind": "nonsense"}, timeout=TIMEOUT).status_code == 400
    assert requests.post(address, json={"kind": "drop", "bytes": 1}, timeout=TIMEOUT).status_code == 400
    assert requests.delete(address, timeout=TIMEOUT).json() == {"cleared": 1}


def test_restart_cuts_requests_in_flight(comfyui: StandIn) -> None:
    fault = comfyui.add_fault("hang", path="/queue")
    failures: list[Exception] = []

    def ask() -> None:
        try:
            get(comfyui, "/queue")
        except requests.ConnectionError as error:
            failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    assert fault.happened.wait(TIMEOUT)
    answer = requests.post(f"{comfyui.url}/_standin/restart", json={"memory": True}, timeout=TIMEOUT)
    asking.join(TIMEOUT)
    assert answer.json()["boot"] == comfyui.boot_id
    assert len(failures) == 1


def test_body_over_the_limit_is_413(comfyui: StandIn) -> None:
    answer = requests.post(f"{comfyui.url}/upload/image", data=bytes(1024 * 1024 + 1), timeout=TIMEOUT)
    assert (answer.status_code, answer.text[:50]) == (413, "Maximum request body size 1048576 exceeded.")
    assert get(comfyui, "/features").json()["max_upload_size"] == 1024 * 1024
