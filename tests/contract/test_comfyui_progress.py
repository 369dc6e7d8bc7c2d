"""The progress of a prompt over the socket of each server; and that doing without it harms nothing."""

from __future__ import annotations

import socket
import threading

import pytest

from jobs.comfyui.client import ComfyuiClient
from jobs.comfyui.progress import ProgressListener
from scripts.simulators.comfyui import StandIn
from tests.contract.fakes import SECONDS, blank_graph, ending_of, new_id, running_at, sleep_graph, submit


def listeners() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "comfyui-progress"]


@pytest.mark.sleeps
def test_listener_hears_progress_and_the_end_of_its_own_prompt(client: ComfyuiClient) -> None:
    own, client_id, shares = new_id(), new_id(), list[float]()
    with ProgressListener(client.url, client_id, own, 3, shares.append) as listener:
        assert listener.listening
        ending_of(client, submit(client, sleep_graph(0.3), client_id=client_id))  # another prompt, the same socket
        client.submit(sleep_graph(0.5), prompt_id=own, client_id=client_id)
        assert not listener.ended.is_set()
        assert listener.ended.wait(SECONDS)
    ending = client.history(own)
    assert ending is not None and ending.status == "success"  # whoever hears of the end finds it in the history
    assert shares == sorted(shares)  # those of the other prompt would have been at the end before
    assert 0 <= shares[0] < 0.5 < shares[-1] <= 1
    assert len(set(shares)) > 3


@pytest.mark.sleeps
def test_listener_hears_the_end_by_interruption(client: ComfyuiClient) -> None:
    own = new_id()
    with ProgressListener(client.url, own, own, 3, lambda share: None) as listener:
        client.submit(sleep_graph(60), prompt_id=own, client_id=own)
        running_at(client, own)
        client.interrupt(own)
        assert listener.ended.wait(SECONDS)
    ending = client.history(own)
    assert ending is not None and ending.status == "interrupted"


def test_left_listener_leaves_no_thread(client: ComfyuiClient) -> None:
    own = new_id()
    with ProgressListener(client.url, own, own, 3, lambda share: None) as listener:
        assert listener.listening
    assert listeners() == []
    assert not listener.ended.is_set()


def test_no_client_id_means_no_listening(client: ComfyuiClient) -> None:
    with ProgressListener(client.url, None, new_id(), 3, lambda share: None) as listener:
        assert not listener.listening
        assert ending_of(client, submit(client)).status == "success"


def test_nobody_listening_there_is_no_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with ProgressListener(f"http://127.0.0.1:{port}", new_id(), new_id(), 3, lambda share: None) as listener:
        assert not listener.listening


@pytest.mark.parametrize(
    "fault", [{"kind": "status", "status": 404}, {"kind": "status", "status": 500}, {"kind": "drop"}], ids=str
)
def test_refused_socket_is_no_failure(standin: StandIn, fault: dict[str, str]) -> None:
    standin.add_fault(**fault, path="/ws")
    with ProgressListener(standin.url, new_id(), new_id(), 3, lambda share: None) as listener:
        assert not listener.listening


@pytest.mark.parametrize("answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 nonsense\r\n\r\n", b"\r\n"], ids=repr)
def test_server_of_another_kind_is_no_failure(answer: bytes) -> None:
    def speak() -> None:
        connection, _ = other.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as other:
        speaker = threading.Thread(target=speak)
        speaker.start()
        try:
            url = f"http://127.0.0.1:{other.getsockname()[1]}"
            with ProgressListener(url, new_id(), new_id(), 3, lambda share: None) as listener:
                assert not listener.listening
        finally:
            speaker.join(SECONDS)


def test_socket_that_breaks_off_says_so(standin: StandIn) -> None:
    standin.add_fault("hold")
    own = new_id()
    client = ComfyuiClient(standin.url)
    with ProgressListener(standin.url, own, own, 2, lambda share: None) as listener:
        client.submit(blank_graph(), prompt_id=own, client_id=own)
        standin.wait_for("hold", own)
        standin.add_fault("ws_drop", times=1)
        for thread in listeners():
            thread.join(SECONDS)
        assert not listener.listening
        assert not listener.ended.is_set()
    standin.clear_faults()
    assert ending_of(client, own).status == "success"
    client.close()
