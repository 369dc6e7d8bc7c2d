"""How many bytes of large submissions may be unpacked at once, so that many at the same moment cannot fill the memory.

A body waits in its temporary file meanwhile. Small ones, the usual photos of a booth among them, are hardly ever kept.
"""

from __future__ import annotations

import threading

from flask import Flask, g, request

from jobs.errors import FarmBusy

BODY_BYTES_AT_ONCE = 256_000_000
PATIENCE_SECONDS = 5.0
RETRY_SECONDS = 5


class BodyMemory:
    """So many bytes to share."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._changed = threading.Condition()

    def take(self, size: int, seconds: float) -> bool:
        """Take a share within `seconds`."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._left >= size, timeout=seconds):
                return False
            self._left -= size
            return True

    def give_back(self, size: int) -> None:
        """The counterpart of `take`."""
        with self._changed:
            self._left += size
            self._changed.notify_all()


def bound_bodies(app: Flask) -> None:
    """Let each request of an app take its body's share while it is carried out. Raises FarmBusy from there."""
    memory = BodyMemory(BODY_BYTES_AT_ONCE)

    @app.before_request
    def take_share() -> None:
        size = request.content_length or 0
        if not size or size > app.config["MAX_CONTENT_LENGTH"]:
            return  # nothing, or refused without being read
        if not memory.take(size, PATIENCE_SECONDS):
            raise FarmBusy("Too many large orders arrive at the moment; send it again.", retry_after=RETRY_SECONDS)
        g.body_share = size

    @app.teardown_request
    def give_back(error: BaseException | None) -> None:
        if size := g.pop("body_share", 0):
            memory.give_back(size)
