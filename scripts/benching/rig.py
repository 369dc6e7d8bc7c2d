"""What all measurements stand on: how long and how often, the folder, and processes that end with us."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

from jobs.engine.lifeline import die_with_parent

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 90.0
LOOK_SECONDS = 0.05
MIB = 1024 * 1024


class NotMeasured(Exception):
    """Something that the measurement needs is not there or did not end; the text is for whoever asked."""


@dataclass(frozen=True)
class Bench:
    """One run of the bench. `quick`: the shortest that still goes the whole way, for a test of the harness."""

    folder: Path
    repeats: int
    quick: bool
    peers: bool
    say: Callable[[str], None]

    def choose(self, full: T, quick: T) -> T:
        """The number for a full run, or for a quick one."""
        return quick if self.quick else full

    def new_folder(self, name: str) -> Path:
        """An empty folder of this run."""
        for number in range(1, 1000):
            folder = self.folder / f"{name}-{number}"
            if not folder.exists():
                folder.mkdir(parents=True)
                return folder
        raise NotMeasured(f"too many folders called {name}")


def eventually(look: Callable[[], T | None], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """The first truthy answer of `look`. Raises NotMeasured when none comes."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answer = look()
        if answer:
            return answer
        time.sleep(LOOK_SECONDS)
    raise NotMeasured(f"not seen within {seconds:.0f} s: {what}")


@contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    nice: int = 0,
    environment: Mapping[str, str] | None = None,
    is_read: bool = False,
) -> Iterator[subprocess.Popen[str]]:
    """A process that is told to end when the block does, and dies when we do.

    `is_read`: its standard output is read line by line. Else it goes into the log: a pipe that nobody reads fills up,
    and then whoever writes into it stands still.
    """
    pid = os.getpid()

    def tie() -> None:
        os.nice(nice)
        die_with_parent(pid)

    with log.open("a") as messages:
        process = subprocess.Popen(
            list(command),
            cwd=log.parent,
            env=bare_environment() | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if is_read else messages,
            stderr=messages,
            text=True,
            preexec_fn=tie,
        )
    try:
        yield process
    finally:
        _end(process)
        if process.stdout is not None:
            process.stdout.close()


def bare_environment() -> dict[str, str]:
    """Nobody's settings but what a process needs to run at all; the project's modules are found from any folder."""
    kept = ("PATH", "HOME", "LANG", "XDG_RUNTIME_DIR")
    return {name: value for name, value in os.environ.items() if name in kept} | {"PYTHONPATH": str(ROOT)}


def read_line(process: subprocess.Popen[str], log: Path) -> str:
    """The next line that it prints. Raises NotMeasured when it ends instead."""
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line:
        raise NotMeasured(f"a process did not start; its messages: {log}")
    return line.strip()


def python_module(*words: str) -> list[str]:
    """The command that runs a module of ours."""
    return [sys.executable, "-m", *words]


def family_of(pid: int) -> list[psutil.Process]:
    """A process and all below it; empty when it has ended."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def pss_of(processes: Sequence[psutil.Process]) -> float:
    """Their proportional set size together, in MiB; pages that they share are counted once."""
    total = 0
    for process in processes:
        try:
            text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total * 1024 / MIB


def _end(process: subprocess.Popen[str]) -> None:
    family = family_of(process.pid)
    process.terminate()
    try:
        process.wait(PATIENCE_SECONDS / 3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(PATIENCE_SECONDS)
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=PATIENCE_SECONDS)
