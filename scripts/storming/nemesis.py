"""The nemesis: draws faults by a seeded chance, begins and ends each, and writes both down."""

from __future__ import annotations

import heapq
import random
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence

import psutil
import redis
import requests

from scripts.simulators.journal import Journal
from scripts.storming import on_clouds, on_processes, on_redis, on_servers, on_storage
from scripts.storming.place import Place
from scripts.storming.strikes import Draw, Strike

DRAWS: Sequence[tuple[float, Draw]] = [
    *on_processes.DRAWS,
    *on_redis.DRAWS,
    *on_servers.DRAWS,
    *on_clouds.DRAWS,
    *on_storage.DRAWS,
]
TRIES = 20
AGAIN_SECONDS = 1.0
LOOK_SECONDS = 0.1
MISSED = (
    OSError,
    psutil.Error,
    redis.RedisError,
    requests.RequestException,
    sqlite3.Error,
    subprocess.SubprocessError,
)
"""What it meets when something else has broken its target already."""


class Nemesis:
    """Lives in the main thread: what it starts again must not die with a thread of its own."""

    def __init__(self, place: Place, journal: Journal, *, seed: int, per_minute: float) -> None:
        self._place = place
        self._journal = journal
        self._chance = random.Random(f"nemesis {seed}")
        self._pause = 60.0 / per_minute
        self._begun: list[tuple[float, int, Strike]] = []
        self._number = 0
        self.counts: Counter[str] = Counter()
        self.missed = 0

    @property
    def total(self) -> int:
        """Faults that took effect."""
        return self.counts.total()

    def in_effect(self) -> list[str]:
        """The faults that have begun and not ended."""
        return sorted(strike.fault for _, _, strike in self._begun)

    def rage(self, seconds: float, tell: Callable[[], None]) -> None:
        """Break things for so long; `tell` is called again and again meanwhile. What has begun may not have ended."""
        until = time.monotonic() + seconds
        next_strike = time.monotonic() + self._pause
        while (now := time.monotonic()) < until:
            self._end_due(now)
            if now >= next_strike:
                self._strike()
                # From the plan, not from now: a slow stroke must not make the storm a mild one.
                next_strike += self._pause * self._chance.uniform(0.3, 1.7)
            tell()
            time.sleep(LOOK_SECONDS)

    def end_all(self) -> None:
        """End what is still in effect; the place heals what cannot be ended here."""
        for _, number, strike in sorted(self._begun):
            try:
                strike.end()
            except MISSED:
                self._note("end", strike, number, left_to_healing=True)
            else:
                self._note("end", strike, number)
        self._begun.clear()

    def _strike(self) -> None:
        weights = [weight for weight, _ in DRAWS]
        for _ in range(TRIES):
            draw = self._chance.choices(DRAWS, weights)[0][1]
            try:
                strike = draw(self._place, self._chance)
            except psutil.Error:  # it ended while we looked at it
                continue
            if strike is not None and all(strike.key != begun.key for _, _, begun in self._begun):
                self._begin(strike)
                return

    def _begin(self, strike: Strike) -> None:
        self._number += 1
        number = self._number
        self._note("begin", strike, number)
        try:
            strike.begin()
        except MISSED as error:
            self.missed += 1
            self._note("end", strike, number, missed=type(error).__name__)
            return
        self.counts[strike.fault] += 1
        heapq.heappush(self._begun, (time.monotonic() + strike.seconds, number, strike))

    def _end_due(self, now: float) -> None:
        while self._begun and self._begun[0][0] <= now:
            _, number, strike = heapq.heappop(self._begun)
            try:
                strike.end()
            except MISSED:
                heapq.heappush(self._begun, (now + AGAIN_SECONDS, number, strike))
                continue
            self._note("end", strike, number)

    def _note(self, event: str, strike: Strike, number: int, **more: object) -> None:
        self._journal.write(
            event, fault=strike.fault, target=strike.target, pid=strike.pid, number=number, **strike.also, **more
        )
