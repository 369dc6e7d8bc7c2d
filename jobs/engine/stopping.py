"""A process's wish to end, told by a signal handler.

`threading.Event` will not do for that: a handler runs in the middle of whatever the main thread does. When that is
`Event.wait`, just holding the event's lock, `set` waits for a lock that only the interrupted code could release.
(`queue.SimpleQueue` is said to be reentrant, and hung in Python 3.11.7 just the same.)
"""

from __future__ import annotations

from multiprocessing import Pipe


class StopFlag:
    """Set once, from anywhere; seen by every waiting thread. A pipe that becomes readable and stays so: no locks."""

    def __init__(self) -> None:
        self._is_set = False
        self._reader, self._writer = Pipe(duplex=False)

    def set(self) -> None:
        """Ask for the end."""
        if not self._is_set:
            self._is_set = True
            self._writer.send_bytes(b"")

    def is_set(self) -> bool:
        """Has somebody asked?"""
        return self._is_set

    def wait(self, seconds: float) -> bool:
        """Sleep until somebody asks, at most `seconds`. True when somebody has."""
        return self._is_set or self._reader.poll(seconds)
