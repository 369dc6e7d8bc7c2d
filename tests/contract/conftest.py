"""The server under contract: the stand-in always, and a real ComfyUI where COMFYUI_TEST_URL names one.

A real server must be there for the tests alone: they stop whatever runs. Its test nodes (TestSleep) are an extra.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from jobs.comfyui.client import ComfyuiClient
from scripts.simulators.comfyui import StandIn

REAL_URL = os.environ.get("COMFYUI_TEST_URL", "").rstrip("/")


@pytest.fixture
def standin() -> Iterator[StandIn]:
    """A stand-in of the test's own, for what no real server does on demand."""
    with StandIn() as standin:
        yield standin


@pytest.fixture(params=["stand-in", "real"] if REAL_URL else ["stand-in"])
def server(request: pytest.FixtureRequest) -> str:
    """The address of a server; a test that names this runs against each."""
    if request.param == "real":
        return REAL_URL
    standin: StandIn = request.getfixturevalue("standin")
    return standin.url


@pytest.fixture
def client(server: str) -> Iterator[ComfyuiClient]:
    """A client of the server, whose queue is emptied again after the test."""
    client = ComfyuiClient(server)
    yield client
    queue = client.queue()
    for prompt_id in (*queue.pending, *queue.running):
        client.delete(prompt_id)
        client.interrupt(prompt_id)
    client.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, against a real server without TestSleep, the tests that need a prompt which takes its time."""
    if not REAL_URL or not (at_real := [item for item in items if _needs_sleep(item)]):
        return
    client = ComfyuiClient(REAL_URL)
    try:
        has_sleep = "TestSleep" in client.catalog()
    finally:
        client.close()
    if not has_sleep:
        items[:] = [item for item in items if item not in at_real]
        config.hook.pytest_deselected(items=at_real)


def _needs_sleep(item: pytest.Item) -> bool:
    parameters = getattr(item, "callspec", None)
    is_real = parameters is not None and parameters.params.get("server") == "real"
    return is_real and item.get_closest_marker("sleeps") is not None
