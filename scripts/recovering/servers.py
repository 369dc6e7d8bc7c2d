"""ComfyUI stand-ins in processes of their own, to be killed, stopped in the middle of everything, and started again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from scripts.benching.farm import PICTURE
from scripts.benching.rig import Bench, python_module, read_line, running
from scripts.embedded_redis import free_port
from scripts.launch import STAND_IN_NICE


class ServerProcess:
    """One process with servers on ports that stay theirs. Its journal goes into `log`, also that of later starts."""

    def __init__(self, ports: Sequence[int], log: Path, seconds: float) -> None:
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        self._log = log
        self._messages = log.with_name(f"messages-{ports[0]}.log")
        options = ["--seconds", str(seconds), "--prepared", PICTURE, "--log", str(log)]
        words = [word for port in ports for word in ("--port", str(port))]
        self._command = python_module("scripts.simulators.comfyui", *words, *options)
        self._process: subprocess.Popen[str] | None = None
        self._life = ExitStack()

    def start(self) -> None:
        """Start it, or start it again. Returns at once: `wait_until_up`."""
        self._life = ExitStack()
        self._process = self._life.enter_context(
            running(self._command, log=self._messages, nice=STAND_IN_NICE, is_read=True)
        )

    def wait_until_up(self) -> None:
        """Return once every server of it listens. Raises NotMeasured."""
        if self._process is not None:
            for _ in self.urls:
                read_line(self._process, self._messages)

    def signal(self, number: signal.Signals) -> None:
        """SIGKILL, SIGSTOP or SIGCONT."""
        if self._process is not None:
            os.kill(self._process.pid, number)

    def end(self) -> None:
        """End it, also one that is stopped or dead."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
        self._life.close()


@contextmanager
def server_processes(
    bench: Bench, *, processes: int, servers_each: int, seconds: float
) -> Iterator[tuple[list[ServerProcess], Path]]:
    """Started stand-ins, and their common journal."""
    log = bench.new_folder("servers") / "comfyui.jsonl"
    made = [ServerProcess([free_port() for _ in range(servers_each)], log, seconds) for _ in range(processes)]
    try:
        for process in made:
            process.start()
        for process in made:
            process.wait_until_up()
        yield made, log
    finally:
        for process in made:
            process.end()
