"""The whole farm as its users start it: `./scripts/up` as a process, booths over HTTP, stand-ins in the test itself."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil
import redis
import requests

from jobs.database import Database
from jobs.settings import Settings
from scripts.booth_key import change_key
from scripts.embedded_redis import connect_as_admin
from scripts.simulators.photos import portrait

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60.0
FAST = {
    "CLAIM_S": "3",
    "SWEEP_S": "0.3",
    "RING_S": "0.6",
    "PROBE_S": "0.5",
    "REFUSED_S": "1",
    "SILENT_S": "3",
    "LOOKUP_GAP_S": "0.3",
    "CRASH_WAIT_S": "0.5",
    "DISK_RESERVE_MB": "1",
    "COMFYUI_WORKERS": "4",
    "API_WORKERS": "0",
    "BOOTH_RATE": "10000",
}


def eventually(look: Callable[[], T | None], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """The first truthy answer of `look`; fails the test when none comes."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answer = look()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not seen within {seconds:.0f} s: {what}")


class FarmProcess:
    """`./scripts/up` with settings of its own. Can be stopped, killed and started again on the same data."""

    def __init__(
        self, folder: Path, *, arguments: tuple[str, ...] = (), module: str = "scripts.launch", **settings: str
    ) -> None:
        """`module`: what is run with Python, if it is not `./scripts/up`."""
        self.folder = folder
        self.module = module
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.arguments = arguments
        own = {"DATA_DIR": str(folder), "PORT": str(self.port), "ADMIN_PASSWORD": "admin password"}
        bare = {
            name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "XDG_RUNTIME_DIR")
        }
        self.environment = bare | FAST | own | settings
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> FarmProcess:
        """Start, and return once it takes orders and knows its servers."""
        self.launch()
        eventually(self._is_ready, f"the farm is up; its log: {self.folder / 'up.log'}")
        return self

    def launch(self) -> None:
        """Start, and wait for nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module, *self.arguments],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        """SIGTERM, and wait for the drain."""
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the farm did not end:\n{self.tell_where_it_hangs()}") from None

    def tell_where_it_hangs(self) -> str:
        """The processes that are left, and where they are, by their own words."""
        assert self.process is not None
        left = [psutil.Process(self.process.pid), *self.children()]
        tree = [f"{process.pid} below {process.ppid()}: {' '.join(process.cmdline()[-3:])}" for process in left]
        for process in left:
            if "python" in process.name():
                process.send_signal(signal.SIGUSR1)
        time.sleep(1.0)  # for the eye only: nothing is decided by what is not written yet
        return "\n".join(tree) + "\n" + (self.folder / "up.log").read_text()[-20_000:]

    def kill(self) -> None:
        """kill -9 of `up` itself; its children end too."""
        assert self.process is not None
        children = self.children()
        self.process.kill()
        self.process.wait(PATIENCE_SECONDS)
        psutil.wait_procs(children, timeout=PATIENCE_SECONDS)

    def children(self) -> list[psutil.Process]:
        """Every process below `up`."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def service(self, *words: str) -> psutil.Process:
        """A process that `up` started, by words of its command line."""
        assert self.process is not None

        def look() -> psutil.Process | None:
            for child in psutil.Process(self.process.pid).children():  # type: ignore[union-attr]
                if all(word in child.cmdline() for word in words):
                    return child
            return None

        return eventually(look, f"the process {' '.join(words)}")

    def worker_of(self, name: str) -> psutil.Process:
        """The worker process whose pid stands in its name."""
        pool = self.service("scripts.worker_pool", name.split("-", 1)[0])
        return next(child for child in pool.children() if child.pid == self.worker_pids()[name])

    def worker_pids(self) -> dict[str, int]:
        """Worker name -> pid, from RQ's registry."""
        client = self.redis()
        names = [key.decode() for key in client.smembers("rq:workers")]
        return {name.removeprefix("rq:worker:"): int(client.hget(name, "pid") or 0) for name in names}

    def redis(self) -> redis.Redis:
        """The embedded Redis, as its admin."""
        return connect_as_admin(self.folder / "redis")

    def make_key(self, name: str = "booth") -> str:
        """A booth's key, made as `./scripts/booth-key` makes it, without a second for a process of its own."""
        database_url = self.environment.get("DATABASE_URL", "")
        database = Database(Settings.load(_env_file=None, data_dir=self.folder, database_url=database_url).database)
        try:
            key = change_key(database, name, rotate=False, revoke=False)
        finally:
            database.dispose()
        assert key is not None
        return key

    def is_answering(self) -> bool:
        """Is the web there, and ready?"""
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).ok
        except requests.RequestException:
            return False

    def _is_ready(self) -> bool:
        assert self.process is not None and self.process.poll() is None, (self.folder / "up.log").read_text()
        workers = int(self.environment["COMFYUI_WORKERS"]) + int(self.environment["API_WORKERS"])
        return self.is_answering() and len(self.worker_pids()) >= workers


class Booth:
    """A dumb client with a key."""

    def __init__(self, farm: FarmProcess, key: str) -> None:
        self.farm = farm
        self.key = key

    def request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """One request to the booth API."""
        headers = {"Authorization": f"Bearer {self.key}"} | kwargs.pop("headers", {})
        return requests.request(method, f"{self.farm.url}/api/v1{path}", headers=headers, timeout=70, **kwargs)

    def submit(
        self, order_id: str, *photos: bytes, style: str = "framed-print", options: dict[str, Any] | None = None
    ) -> requests.Response:
        """POST /orders."""
        files = [("photo", (f"{number}.jpg", photo, "image/jpeg")) for number, photo in enumerate(photos)]
        data = {"order_id": order_id, "style": style} | ({"options": json.dumps(options)} if options else {})
        return self.request("POST", "/orders", data=data, files=files)

    def submit_until_taken(self, order_id: str, *photos: bytes, **kwargs: Any) -> requests.Response:
        """Submit; a style is unavailable for the moment between a start and the first look at the servers."""

        def look() -> requests.Response | None:
            answer = self.submit(order_id, *photos, **kwargs)
            return None if answer.status_code == 422 else answer

        return eventually(look, "the style is available")

    def order(self, order_id: str) -> dict[str, Any]:
        """GET /orders/{id}."""
        answer = self.request("GET", f"/orders/{order_id}")
        assert answer.status_code == 200, answer.text
        order: dict[str, Any] = answer.json()
        return order

    def follow(self, order_id: str, *, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Long poll until the order has ended."""
        until, after = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            try:
                order = self.request("GET", f"/orders/{order_id}", params={"wait": 5, "after": after}).json()
            except requests.RequestException:
                time.sleep(0.1)
                continue
            if order.get("status") in ("succeeded", "partial", "failed", "canceled"):
                return dict(order)
            after = order.get("version", 0)
        raise AssertionError(f"{order_id} did not end: {order}")

    def picture(self, task: dict[str, Any]) -> bytes:
        """The first picture of a task, fetched by its signed link without a key."""
        answer = requests.get(self.farm.url + task["images"][0]["url"], timeout=30)
        assert answer.status_code == 200
        return answer.content


def small_portrait(mark: int) -> bytes:
    """A guest's photo where only its mark counts: a whole one costs all processes together a third of a second."""
    return portrait(mark, size=(240, 320))


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ended(processes: list[psutil.Process]) -> bool:
    """Have all of these processes ended?"""
    return not [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
