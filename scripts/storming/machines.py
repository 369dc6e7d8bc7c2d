"""A process of the storm's that can be killed, frozen and started again: Redis, a stand-in."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from scripts.benching.rig import bare_environment, python_module

END_SECONDS = 15.0


class Machine:
    """Plays a machine of its own. Only the main thread starts it: the kernel kills it when that thread ends."""

    def __init__(
        self, name: str, module: list[str], *, log: Path, nice: int = 0, environment: Mapping[str, str] | None = None
    ) -> None:
        """`module`: its name and arguments. Its messages are added to `log`, in whose folder it runs."""
        self.name = name
        self._module = module
        self._log = log
        self._nice = nice
        self._environment = bare_environment() | dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process that runs now, or ran last; 0 before the first."""
        return self._process.pid if self._process else 0

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it unless it runs."""
        if self.is_running:
            return
        command = python_module("scripts.storming.tied", str(os.getpid()), str(self._nice), *self._module)
        with self._log.open("ab") as messages:
            self._process = subprocess.Popen(
                command,
                cwd=self._log.parent,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=messages,
                stderr=messages,
            )

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(END_SECONDS)

    def freeze(self) -> None:
        """SIGSTOP: it accepts connections, and answers nobody."""
        self._send(signal.SIGSTOP)

    def wake(self) -> None:
        """SIGCONT."""
        self._send(signal.SIGCONT)

    def end(self) -> None:
        """Tell it to end, and see to it."""
        if self._process is None:
            return
        self.wake()
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def _send(self, signum: int) -> None:
        if self._process is not None:
            self._process.send_signal(signum)
