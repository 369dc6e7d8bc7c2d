"""ComfyuiClient against a server that goes wrong: every fault has its error, nothing waits or grows without end."""

from __future__ import annotations

import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import jobs.comfyui.client
from jobs.comfyui.client import ComfyuiClient, ImageRef
from jobs.errors.steps import Away, BadAnswer, Busy, OutcomeUnknown, StepError, Transient, WorkflowRejected
from scripts.simulators.comfyui import StandIn
from tests.contract.fakes import PHOTO, blank_graph, ending_of, submit

MEGABYTE = 1_000_000
PROMPT_ID = "the-prompt"


@pytest.fixture
def client(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[ComfyuiClient]:
    """A client with little patience."""
    monkeypatch.setattr(jobs.comfyui.client, "SILENCE_SECONDS", 1.0)
    client = ComfyuiClient(standin.url)
    yield client
    client.close()


@pytest.fixture
def nobody() -> Iterator[ComfyuiClient]:
    """A client of a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    client = ComfyuiClient(url)
    yield client
    client.close()


def send(client: ComfyuiClient) -> None:
    client.submit(blank_graph("faults/x"), prompt_id=PROMPT_ID, client_id="c")


CALLS: dict[str, tuple[str, Callable[[ComfyuiClient], object]]] = {
    "upload": ("/upload", lambda client: client.upload(PHOTO, "a.jpg", "b")),
    "queue": ("/queue", ComfyuiClient.queue),
    "history": ("/history", lambda client: client.history(PROMPT_ID)),
    "catalog": ("/object_info", ComfyuiClient.catalog),
    "view": ("/view", lambda client: client.view(ImageRef("x_00001_.png", "faults", "output"))),
}
each_call = pytest.mark.parametrize("name", list(CALLS))
each_json = pytest.mark.parametrize("name", ["upload", "queue", "history", "catalog"])


def failing(client: ComfyuiClient, name: str) -> StepError:
    with pytest.raises(StepError) as failed:
        CALLS[name][1](client)
    return failed.value


@pytest.mark.parametrize("kind", ["hang", "hang_after", "drop", "drop_after"])
def test_submission_without_an_answer_is_unknown_and_not_repeated(
    standin: StandIn, client: ComfyuiClient, kind: str
) -> None:
    fault = standin.add_fault(kind, path="/prompt")
    with pytest.raises(OutcomeUnknown):
        send(client)
    assert fault.hits == 1
    assert standin.stats()["submissions"] == ({PROMPT_ID: 1} if kind.endswith("after") else {})


def test_submission_on_a_connection_that_was_cut_is_sent_once(standin: StandIn, client: ComfyuiClient) -> None:
    client.queue()
    standin.restart(memory=False)  # the kept connection is gone
    send(client)
    assert standin.stats()["submissions"] == {PROMPT_ID: 1}


def test_refused_connection_is_away_and_nothing_was_sent(nobody: ComfyuiClient) -> None:
    with pytest.raises(Away) as away:
        send(nobody)
    assert away.value.refused


@each_call
def test_refused_connection_is_away(nobody: ComfyuiClient, name: str) -> None:
    error = failing(nobody, name)
    assert isinstance(error, Away) and error.refused


@each_call
@pytest.mark.parametrize("kind", ["hang", "drop"])
def test_silent_server_is_away_but_not_refusing(standin: StandIn, client: ComfyuiClient, name: str, kind: str) -> None:
    standin.add_fault(kind, path=CALLS[name][0])
    error = failing(client, name)
    assert isinstance(error, Away) and not error.refused


@each_call
def test_failing_server_is_transient(standin: StandIn, client: ComfyuiClient, name: str) -> None:
    standin.add_fault("status", path=CALLS[name][0], status=500, body="<h1>trouble</h1>")
    assert isinstance(failing(client, name), Transient)


@pytest.mark.parametrize("body", ["<html>a login page</html>", [], None, "{", {}, '"text"'], ids=str)
@each_json
def test_answer_of_another_kind_is_bad(standin: StandIn, client: ComfyuiClient, name: str, body: Any) -> None:
    standin.add_fault("body", path=CALLS[name][0], status=200, body=body)
    if body == {} and name in ("history", "catalog"):
        assert not CALLS[name][1](client)  # nothing known, nothing offered
    else:
        assert isinstance(failing(client, name), BadAnswer)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("queue", {"queue_running": [["x"]], "queue_pending": []}),
        ("queue", {"queue_running": [], "queue_pending": [["x", "y"]]}),
        ("queue", {"queue_running": None, "queue_pending": []}),
        ("history", {PROMPT_ID: []}),
        ("history", {PROMPT_ID: {"status": None, "outputs": {}}}),
        ("history", {PROMPT_ID: {"status": {"messages": [["execution_error", "text"]]}, "outputs": {}}}),
        ("history", {PROMPT_ID: {"status": {"messages": [1]}, "outputs": {}}}),
        ("history", {PROMPT_ID: {"status": {}, "outputs": {"1": {"images": ["x.png"]}}}}),
        ("catalog", {"Node": []}),
        ("catalog", {"Node": {"input": ["x"]}}),
        ("catalog", {"Node": {"input": {"required": ["x"]}}}),
        ("upload", {"name": 5}),
    ],
    ids=str,
)
def test_answer_of_another_shape_is_bad(standin: StandIn, client: ComfyuiClient, name: str, body: Any) -> None:
    standin.add_fault("body", path=CALLS[name][0], status=200, body=body)
    assert isinstance(failing(client, name), BadAnswer)


@pytest.mark.parametrize(
    "body",
    [
        "<html>a login page</html>",
        [],
        {},
        {"status": "ok"},
        {"prompt_id": "another", "number": 1, "node_errors": {}},
        {"prompt_id": PROMPT_ID},
    ],
    ids=str,
)
def test_submission_with_a_strange_answer_is_bad(standin: StandIn, client: ComfyuiClient, body: Any) -> None:
    standin.add_fault("body", path="/prompt", body=body)
    with pytest.raises(BadAnswer):
        send(client)
    assert standin.stats()["submissions"] == {PROMPT_ID: 1}


@pytest.mark.parametrize(
    ("status", "error"), [(500, Transient), (502, Transient), (413, WorkflowRejected), (429, Busy), (503, Busy)]
)
def test_submission_answered_by_a_status(
    standin: StandIn, client: ComfyuiClient, status: int, error: type[StepError]
) -> None:
    standin.add_fault("status", path="/prompt", status=status, body="<h1>no</h1>", headers={"Retry-After": "7"})
    with pytest.raises(error) as failed:
        send(client)
    if isinstance(failed.value, Busy):
        assert failed.value.retry_after == 7


REFUSALS = {
    "empty": "",
    "page": "<html>",
    "list": [],
    "lists": {"error": "text", "node_errors": []},
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("body", REFUSALS.values(), ids=list(REFUSALS))
def test_refusal_of_any_shape_is_a_refusal(standin: StandIn, client: ComfyuiClient, body: Any) -> None:
    standin.add_fault("status", path="/prompt", status=400, body=body)
    with pytest.raises(WorkflowRejected):
        send(client)


def test_missing_picture_is_a_bad_answer(standin: StandIn, client: ComfyuiClient) -> None:
    standin.add_fault("lose", times=1)
    [ref] = ending_of(client, submit(client)).images["2"]
    with pytest.raises(BadAnswer):
        client.view(ref)


@pytest.mark.parametrize("name", ["upload", "queue", "history", "catalog", "view"])
def test_answer_that_ends_early_is_bad(standin: StandIn, client: ComfyuiClient, name: str) -> None:
    send(client)
    standin.wait_for("end", PROMPT_ID)
    standin.add_fault("truncate", path=CALLS[name][0])
    assert isinstance(failing(client, name), BadAnswer)


def test_submission_whose_answer_ends_early_is_left_to_a_look_up(standin: StandIn, client: ComfyuiClient) -> None:
    standin.add_fault("truncate", path="/prompt")
    with pytest.raises((BadAnswer, OutcomeUnknown)):
        send(client)
    assert standin.stats()["submissions"] == {PROMPT_ID: 1}


@pytest.mark.parametrize("name", ["queue", "history", "catalog", "view"])
def test_slow_drip_ends_within_the_total(
    standin: StandIn, client: ComfyuiClient, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(jobs.comfyui.client, "VIEW_SECONDS", 0.3)
    monkeypatch.setitem(ComfyuiClient._request.__kwdefaults__, "total", 0.3)
    send(client)
    standin.wait_for("end", PROMPT_ID)
    standin.add_fault("hold_queue")
    submit(client)  # so that the queue has something to tell
    standin.add_fault("drip", path=CALLS[name][0], method="GET", bytes_per_s=40)
    begun = time.monotonic()
    error = failing(client, name)
    assert isinstance(error, Away) and not error.refused
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("announce", [False, True], ids=["unannounced", "announced"])
@pytest.mark.parametrize("name", ["queue", "view"])
def test_endless_answer_is_bad_and_not_kept(
    standin: StandIn, client: ComfyuiClient, monkeypatch: pytest.MonkeyPatch, name: str, announce: bool
) -> None:
    monkeypatch.setattr(jobs.comfyui.client, "VIEW_BYTES", 8 * MEGABYTE)
    monkeypatch.setitem(ComfyuiClient._request.__kwdefaults__, "limit", 8 * MEGABYTE)
    monkeypatch.setitem(ComfyuiClient._request.__kwdefaults__, "total", 300.0)  # the size is to end it, not the time
    standin.add_fault("huge", path=CALLS[name][0], bytes=2_000 * MEGABYTE, announce=announce)
    tracemalloc.start()
    try:
        error = failing(client, name)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(error, BadAnswer)
    assert peak < 20 * MEGABYTE  # the stand-in's own blocks are counted too


def test_limits_of_a_real_download_leave_room_for_the_machine() -> None:
    assert jobs.comfyui.client.VIEW_BYTES <= 100 * MEGABYTE
    assert ComfyuiClient._request.__kwdefaults__["limit"] <= 100 * MEGABYTE


def test_redirect_is_not_followed(standin: StandIn, client: ComfyuiClient) -> None:
    with StandIn() as other:
        standin.add_fault("status", path="/prompt", status=307, headers={"Location": f"{other.url}/prompt"})
        with pytest.raises(Transient):
            send(client)
        assert other.stats()["submissions"] == {}


def test_two_clients_at_once_do_not_wait_for_each_other(standin: StandIn, client: ComfyuiClient) -> None:
    hanging = standin.add_fault("hang", path="/history")
    other = ComfyuiClient(standin.url)
    errors: list[StepError] = []
    asking = threading.Thread(target=lambda: errors.append(failing(client, "history")))
    asking.start()
    assert hanging.happened.wait(10)
    assert other.queue().running == ()
    asking.join(10)
    assert isinstance(errors[0], Away)
    other.close()
