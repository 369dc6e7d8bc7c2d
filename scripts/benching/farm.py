"""The farm under test, started as `./scripts/up` starts it, and the ComfyUI stand-ins that it works with."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests

from jobs.database import Database
from jobs.settings import Settings
from scripts.benching.booths import Booth
from scripts.benching.rig import Bench, NotMeasured, eventually, family_of, python_module, read_line, running
from scripts.booth_key import change_key
from scripts.embedded_redis import free_port
from scripts.launch import STAND_IN_NICE

STYLE = "framed-print"
PICTURE = "512x768"
ADMIN_PASSWORD = "the password of a bench"  # noqa: S105  of a farm on loopback that lives for minutes
BOOTHS = 10


@dataclass(frozen=True)
class StandIns:
    """ComfyUI stand-ins in one process; `log` is what they were asked and did."""

    urls: Sequence[str]
    log: Path

    def rows(self) -> list[dict[str, Any]]:
        """Every event so far, in the order in which they were written."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def rows_after(self, moment: float) -> list[dict[str, Any]]:
        """The events since a moment of time.time()."""
        return [row for row in self.rows() if row["t"] >= moment]

    def count_submissions(self) -> int:
        return sum(row["event"] == "submit" for row in self.rows())


@contextmanager
def stand_ins(bench: Bench, *, servers: int, seconds: float) -> Iterator[StandIns]:
    """Servers that take `seconds` for each prompt and hand out a prepared picture. They step back as `up`'s do."""
    folder = bench.new_folder("stand-ins")
    log, messages = folder / "comfyui.jsonl", folder / "messages.log"
    ports = [word for _ in range(servers) for word in ("--port", "0")]
    options = ["--seconds", str(seconds), "--prepared", PICTURE, "--log", str(log)]
    command = python_module("scripts.simulators.comfyui", *ports, *options)
    with running(command, log=messages, nice=STAND_IN_NICE, is_read=True) as process:
        yield StandIns([read_line(process, messages).split()[-1] for _ in range(servers)], log)


class Farm:
    """A running farm. Booths are asked for with `booths`."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, port: int, database_url: str) -> None:
        self.process = process
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.database_url = database_url
        self._keys: list[str] = []

    def booths(self, count: int = BOOTHS) -> list[Booth]:
        """That many clients, sharing the keys of ten booths."""
        if not self._keys:
            database = Database(self.database_url)
            self._keys = [str(change_key(database, f"b{n}", rotate=False, revoke=False)) for n in range(BOOTHS)]
            database.dispose()
        return [Booth(self.port, self._keys[number % BOOTHS]) for number in range(count)]

    def web(self) -> list[psutil.Process]:
        """The processes of the web tier."""
        return self._service("scripts.serve")

    def pools(self) -> list[psutil.Process]:
        """Both pools and their workers."""
        return self._service("comfyui") + self._service("api")

    def wait_until_ready(self, workers: int) -> None:
        """Return once it answers, all its workers live and the style can be made."""
        booth = self.booths(1)[0] if self._is_up() else None

        def is_ready() -> bool:
            nonlocal booth
            if self.process.poll() is not None:
                raise NotMeasured(f"the farm ended; its messages: {self.folder / 'up.log'}")
            if booth is None:
                booth = self.booths(1)[0] if self._is_up() else None
                return False
            if booth.get("/stats").get("worker_count", 0) < workers:
                return False
            return any(style["name"] == STYLE and style["available"] for style in booth.get("/styles")["styles"])

        eventually(is_ready, f"the farm is up; its messages: {self.folder / 'up.log'}")
        if booth is not None:
            booth.close()

    def _is_up(self) -> bool:
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).ok
        except requests.RequestException:
            return False

    def _service(self, word: str) -> list[psutil.Process]:
        for child in psutil.Process(self.process.pid).children():
            if word in child.cmdline():
                return family_of(child.pid)
        raise NotMeasured(f"the farm has no process {word}")


@contextmanager
def farm(bench: Bench, servers: Sequence[str], *, folder: Path | None = None, **settings: str) -> Iterator[Farm]:
    """A farm with default settings but for its port, its folder and its servers; `settings` differ besides."""
    folder = folder or bench.new_folder("farm")
    port = free_port()
    own = {
        "DATA_DIR": str(folder / "data"),
        "PORT": str(port),
        "COMFYUI_URLS": ",".join(servers),
        "ADMIN_PASSWORD": ADMIN_PASSWORD,
        "SIMULATE": "true",
    } | settings
    database_url = own.get("DATABASE_URL") or Settings(_env_file=None, data_dir=folder / "data").database
    workers = int(own.get("COMFYUI_WORKERS", "10")) + int(own.get("API_WORKERS", "5"))
    command = python_module("scripts.launch")
    with ExitStack() as stack:
        process = stack.enter_context(running(command, log=folder / "up.log", environment=own))
        started = Farm(process, folder, port, database_url)
        started.wait_until_ready(workers)
        yield started
