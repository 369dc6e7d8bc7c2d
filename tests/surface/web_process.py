"""A web process without workers, and clients that behave badly: bytes on sockets, sent as a test likes."""

from __future__ import annotations

import http.client
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests

from jobs.access.booths import create_booth
from jobs.settings import Settings
from tests.acceptance.farm_process import ROOT, eventually, free_port
from tests.builders import open_farm, stock

BOUNDARY = "a-boundary"
SECONDS = 30.0
PATIENCE_SECONDS = 120.0


class WebProcess:
    """`python -m scripts.serve` on a database that knows a server and a booth."""

    def __init__(self, folder: Path, redis_url: str, *, environment: dict[str, str] | None = None, **settings: str):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "web.log"
        own = {"DATA_DIR": str(folder), "PORT": str(self.port), "REDIS_URL": redis_url, "ADMIN_PASSWORD": "password"}
        loose = {"DISK_RESERVE_MB": "1", "BOOTH_RATE": "10000", "QUEUE_LIMIT": "10000"}
        bare = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.environment = bare | own | loose | settings | (environment or {})
        stocked = Settings.load(_env_file=None, data_dir=folder, redis_url=redis_url, disk_reserve_mb=1)
        with open_farm(stocked) as farm:
            stock(farm)
            self.key = farm.database.write(create_booth, "booth")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "scripts.serve"], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        eventually(self.answers, "the web answers")

    def answers(self) -> bool:
        """Does it say that it lives?"""
        try:
            return requests.get(f"{self.url}/healthz", timeout=5).ok
        except requests.RequestException:
            return False

    def look(self) -> psutil.Process:
        """The process from outside."""
        return psutil.Process(self.process.pid)

    def cpu_seconds(self) -> float:
        """Processor time that it has used."""
        times = self.look().cpu_times()
        return float(times.user + times.system)

    def stop(self) -> None:
        """SIGTERM, and wait."""
        self.process.terminate()
        try:
            self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(SECONDS)

    def request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """One well-behaved request to the booth API."""
        headers = {"Authorization": f"Bearer {self.key}"} | kwargs.pop("headers", {})
        return requests.request(method, f"{self.url}/api/v1{path}", headers=headers, timeout=PATIENCE_SECONDS, **kwargs)

    def submit(self, order_id: str, *photos: bytes) -> requests.Response:
        """POST /orders."""
        files = [("photo", ("photo.jpg", photo, "image/jpeg")) for photo in photos]
        return self.request("POST", "/orders", data={"order_id": order_id, "style": "framed-print"}, files=files)

    def connect(self, first_bytes: bytes = b"") -> socket.socket:
        """A connection that has sent so much."""
        connection = socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS)
        connection.sendall(first_bytes)
        return connection

    def head(self, method: str, target: str, *lines: str) -> bytes:
        """A request's head with the booth's key."""
        fixed = [f"{method} {target} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {self.key}"]
        return "\r\n".join([*fixed, *lines, "", ""]).encode("latin-1")

    def post_head(self, *lines: str) -> bytes:
        """The head of a submission."""
        return self.head("POST", "/api/v1/orders", f"Content-Type: multipart/form-data; boundary={BOUNDARY}", *lines)


@contextmanager
def watch_memory(web: WebProcess) -> Iterator[Callable[[], float]]:
    """Megabytes that the process has grown by at its peak since the block began."""
    process, done = web.look(), threading.Event()
    before = process.memory_info().rss
    peak = before

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.005):
            peak = max(peak, process.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: (peak - before) / 1e6
    finally:
        done.set()
        thread.join()


@contextmanager
def run_web(folder: Path, redis_url: str, **settings: Any) -> Iterator[WebProcess]:
    """A web process, ended afterwards."""
    web = WebProcess(folder, redis_url, **settings)
    try:
        yield web
    finally:
        web.stop()


def form(order_id: str, photo: bytes) -> bytes:
    """A submission's body."""
    fields = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (("order_id", order_id), ("style", "framed-print"))
    )
    file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="p.jpg"\r\n\r\n'
    return (fields + file).encode() + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


def read_answer(connection: socket.socket, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
    """The answer on a connection, with its whole body."""
    answer = http.client.HTTPResponse(connection, method=method)
    answer.begin()
    return answer, answer.read()


def count_open(connections: list[socket.socket]) -> int:
    """How many of these the server has not closed. Bytes that it sent before are dropped."""
    left = 0
    for connection in connections:
        connection.setblocking(False)
        try:
            while connection.recv(65_536):
                pass
        except BlockingIOError:
            left += 1
        except ConnectionError:
            pass  # reset is closed too
    return left


def closes_within(connection: socket.socket, seconds: float, *, drip: bytes = b"", every: float = 0.2) -> float:
    """Seconds until the server closes, while `drip` is sent now and then. Fails after `seconds`."""
    began, sent_at = time.monotonic(), 0.0
    while (now := time.monotonic()) - began < seconds:
        if drip and now - sent_at >= every:
            sent_at = now
            try:
                connection.sendall(drip)
            except ConnectionError:
                return now - began
        try:
            if select.select([connection], [], [], 0.05)[0] and not connection.recv(65_536):
                return time.monotonic() - began
        except ConnectionError:
            return time.monotonic() - began
    raise AssertionError(f"still open after {seconds} s")
