"""Letting few through at a time, in the order in which they came.

Of many submissions at one instant the first are then answered while the others wait, instead of all of them late: many
threads at once spend their time handing Python's lock to each other. It only saves work and refuses nobody: who has
waited for a second goes through all the same.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_SECONDS = 1.0


class Turnstile:
    """A place that becomes free goes to the one that has waited longest."""

    def __init__(self, places: int, *, patience_s: float = PATIENCE_SECONDS) -> None:
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._free = places
        self._waiting: deque[threading.Event] = deque()

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """Held from one's turn on, and given to the next at the end."""
        turn = Turn(self)
        turn.take()
        try:
            yield turn
        finally:
            turn.give_on()

    def take_place(self) -> bool:
        """Wait for a place. False: none became free in time."""
        with self._lock:
            if self._free and not self._waiting:
                self._free -= 1
                return True
            called = threading.Event()
            self._waiting.append(called)
        if called.wait(self._patience_s):
            return True
        with self._lock:
            if called.is_set():  # in this instant
                return True
            self._waiting.remove(called)
            return False

    def give_place(self) -> None:
        """The counterpart of a `take_place` that was answered with True."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1


class Turn:
    """One passage. For one thread."""

    def __init__(self, turnstile: Turnstile) -> None:
        self._turnstile = turnstile
        self._has_place = False

    def take(self) -> None:
        """Wait for a place, but not for long."""
        self._has_place = self._turnstile.take_place()

    def give_on(self) -> None:
        """Give the place to the next, if there is one to give."""
        if self._has_place:
            self._has_place = False
            self._turnstile.give_place()

    @contextmanager
    def step_aside(self) -> Iterator[None]:
        """Let others through for as long as this block waits for something else, then queue up again."""
        self.give_on()
        try:
            yield
        finally:
            self.take()
