"""What a process of the farm sets up at its start: to die with its parent (Linux), to say where it is when asked."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal

PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when the thread that started it ends; exit if that has happened already.

    For the child, from its main thread.
    """
    if hasattr(signal, "SIGKILL"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def show_stacks_on_request() -> None:
    """SIGUSR1 has this process, and what it forks, write the stack of every thread to stderr and go on.

    Works also when the interpreter hangs in a lock. A stack names files and functions, no data.
    """
    faulthandler.register(signal.SIGUSR1, all_threads=True)
