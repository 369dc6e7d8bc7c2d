"""The independent servers as processes of ours: Prism checks requests, aimock behaves like the services."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from jobs.engine.lifeline import die_with_parent
from scripts.embedded_redis import free_port
from scripts.verifying.installing import HERE, MODULES, PLACE, node, version_of

START_SECONDS = 60.0
END_SECONDS = 5.0
LOOK_SECONDS = 0.1
PRISM, AIMOCK = "@stoplight/prism-cli", "@copilotkit/aimock"
SPECS = HERE / "specs"


class DidNotStart(Exception):
    """A server was not there in time; its last words."""


def prism_name() -> str:
    return f"Prism {version_of(PRISM)}"


def aimock_name() -> str:
    return f"aimock {version_of(AIMOCK)}"


@contextmanager
def prism_mock(spec: str) -> Iterator[str]:
    """Answers what the description promises; what it forbids is a 422. Its address."""
    with _prism("mock", spec) as url:
        yield url


@contextmanager
def prism_proxy(spec: str, target: str) -> Iterator[str]:
    """Hands on what the description allows; what it forbids is a 422. Its address."""
    with _prism("proxy", spec, target) as url:
        yield url


@contextmanager
def aimock(fixtures: Sequence[Mapping[str, Any]]) -> Iterator[Aimock]:
    """Answers by the first fixture that a request fits."""
    port = free_port()
    file = PLACE / f"fixtures-{port}.json"
    file.write_text(json.dumps({"fixtures": list(fixtures)}), encoding="utf-8")
    entry = MODULES / AIMOCK / "dist" / "index.js"
    command = [node(), str(HERE / "aimock.mjs"), str(entry), str(port), str(file)]
    try:
        with _running(command, port, PLACE / "aimock.log"):
            file.unlink()  # it has been read
            yield Aimock(f"http://127.0.0.1:{port}")
    finally:
        file.unlink(missing_ok=True)


class Aimock:
    """One of them, running."""

    def __init__(self, url: str) -> None:
        self.url = url

    def calls(self, path: str) -> int:
        """So many requests of this path have reached it."""
        answer = requests.get(f"{self.url}/__aimock/journal", params={"path": path}, timeout=10)
        return int(answer.headers["X-Total-Count"])

    @contextmanager
    def chaos(self, **rates: float) -> Iterator[None]:
        """Misbehave for a while, such as `disconnectRate=1`."""
        requests.post(f"{self.url}/__aimock/chaos", json=rates, timeout=10).raise_for_status()
        try:
            yield
        finally:
            requests.delete(f"{self.url}/__aimock/chaos", timeout=10).raise_for_status()


def fixture(endpoint: str, prompt: str, response: Mapping[str, Any]) -> dict[str, Any]:
    """Answers requests whose prompt holds this text."""
    return {"match": {"endpoint": endpoint, "userMessage": prompt}, "response": dict(response)}


def refusing(endpoint: str, prompt: str, status: int, retry_after: int | None = None, **error: str) -> dict[str, Any]:
    """As `fixture`, refusing with `error`, such as code and type."""
    wait = {} if retry_after is None else {"retryAfter": retry_after}
    words = {"message": "words of the service"} | error
    return fixture(endpoint, prompt, {"status": status, "error": words} | wait)


def in_base64(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


@contextmanager
def _prism(kind: str, spec: str, *target: str) -> Iterator[str]:
    port = free_port()
    program = MODULES / PRISM / "dist" / "index.js"
    options = ["--host", "127.0.0.1", "--port", str(port), "--errors", str(SPECS / spec)]
    with _running([node(), str(program), kind, *options, *target], port, PLACE / f"prism-{kind}.log"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(command: Sequence[str], port: int, log: Path) -> Iterator[None]:
    """A process that listens on this port, until the end of the block."""
    parent = os.getpid()
    with log.open("w", encoding="utf-8") as messages:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=messages,
            stderr=messages,
            preexec_fn=lambda: die_with_parent(parent),
        )
    try:
        _wait_until_it_answers(process, port, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    ends_at = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < ends_at:
        try:
            requests.get(f"http://127.0.0.1:{port}/", timeout=5)
            return
        except requests.RequestException:
            time.sleep(LOOK_SECONDS)
    raise DidNotStart(log.read_text(encoding="utf-8", errors="replace")[-800:] or "it said nothing")
