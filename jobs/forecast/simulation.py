"""How a queue drains, played in memory: who starts when, and is done when. Pure; seconds count from now.

A place is what a step needs one of at each of its bounds while it runs: a call of its resource, a server, a call of its
provider. Who came first starts first, but whoever lacks a place never keeps a later one waiting that has it: the rules
of engine/claims.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from jobs.forecast.durations import Duration

PACES = (0, 1, 2)
"""Everything quick, usual, slow: the indices of a Duration's seconds."""
SLACK = (0.0, 0.1, 1.0)
"""Seconds, by pace, until somebody who waits has heard of the end."""
TURN = (0.0, 0.05, 0.1)
"""Seconds, by pace, between the end of one step and the start of the next at the same place."""
OVERDUE = (0.0, 0.1, 0.25)
"""What runs longer than expected goes on for at least this share of what it has run already, by pace."""


@dataclass(frozen=True)
class Leg:
    """One step of a line: what it needs and how long it takes. `bounds` None: it cannot be made as things stand.

    `ready`: it cannot start before. `ran`: it has been running for so long, and keeps its places.
    """

    bounds: tuple[str, ...] | None
    lasts: Duration
    ready: float = 0.0
    ran: float | None = None


@dataclass(frozen=True)
class Line:
    """One task's steps that are left, in order. A `shadow` looks when it would start, and takes no place of others."""

    name: int | str
    legs: tuple[Leg, ...]
    shadow: bool = False

    def not_before(self, seconds: float) -> Line:
        """The same, begun so much later at the earliest."""
        first, *others = self.legs
        return replace(self, legs=(replace(first, ready=max(first.ready, seconds)), *others))


Ends = tuple[float, float, float]
"""Seconds until the end: low, middle, high."""


def simulate(lines: Sequence[Line], places: Mapping[str, Sequence[float]]) -> dict[int | str, Ends]:
    """When each line is done; those that never are, as things stand, are left out.

    `lines`: in the order in which they are served. `places`: bound -> for each of its places, from when on it is there.
    """
    by_pace = [dict(_Play(lines, places, pace).run()) for pace in PACES]
    ends = {}
    for name in by_pace[1]:
        low, middle, high = (found[name] + slack for found, slack in zip(by_pace, SLACK, strict=True))
        # In a chain a quicker step may let another one go first, so that its own task is done later.
        ends[name] = (min(low, middle), middle, max(middle, high))
    return ends


class _Play:
    """One run at one pace."""

    def __init__(self, lines: Sequence[Line], places: Mapping[str, Iterable[float]], pace: int) -> None:
        self._lines = lines
        self._pace = pace
        self._free: dict[str, int] = defaultdict(int)
        self._waiting: dict[tuple[str, ...], list[tuple[bool, int, int]]] = defaultdict(list)
        self._events: list[tuple[float, int, int, str]] = []
        """(moment, line, leg, bound): a line's leg becomes ready (bound "+") or ends (""), or a bound's place opens."""
        self._differs = [0.0] * len(lines)
        """How much longer a line's own steps take than they hold their places."""
        for bound, moments in places.items():
            for moment in moments:
                self._open(bound, moment)
        for number, line in enumerate(lines):
            first = line.legs[0]
            if first.ran is not None:
                self._begin(number, 0, 0.0)
            else:
                self._queue(number, 0, first.ready)

    def run(self) -> Iterator[tuple[int | str, float]]:
        """Each line that comes to its end, and when."""
        moment = 0.0
        while True:
            while self._events and self._events[0][0] <= moment:
                _, number, leg, what = heapq.heappop(self._events)
                if number < 0:
                    self._free[what] += 1
                elif what:
                    self._wait(number, leg)
                else:
                    yield from self._end(number, leg, moment)
            self._start_what_can(moment)
            if not self._events:
                return
            moment = self._events[0][0]

    def _open(self, bound: str, moment: float) -> None:
        if moment <= 0:
            self._free[bound] += 1
        elif moment < math.inf:
            heapq.heappush(self._events, (moment, -1, 0, bound))

    def _queue(self, number: int, leg: int, moment: float) -> None:
        heapq.heappush(self._events, (moment, number, leg, "+"))

    def _wait(self, number: int, leg: int) -> None:
        line = self._lines[number]
        bounds = line.legs[leg].bounds
        if bounds is not None:
            heapq.heappush(self._waiting[bounds], (line.shadow, number, leg))

    def _start_what_can(self, moment: float) -> None:
        while True:
            ready = [
                (queue[0], bounds)
                for bounds, queue in self._waiting.items()
                if queue and all(self._free[bound] > 0 for bound in bounds)
            ]
            if not ready:
                return
            (_, number, leg), bounds = min(ready)
            heapq.heappop(self._waiting[bounds])
            self._begin(number, leg, moment)

    def _begin(self, number: int, leg: int, moment: float) -> None:
        line, pace = self._lines[number], self._pace
        one = line.legs[leg]
        alone, held = one.lasts.alone[pace], one.lasts.in_a_row[pace]
        if one.ran is not None:
            least = one.ran * OVERDUE[pace]
            alone, held = max(alone - one.ran, least), max(held - one.ran, least)
        if not line.shadow:
            for bound in one.bounds or ():
                self._free[bound] -= 1
        self._differs[number] += alone - held
        heapq.heappush(self._events, (moment + held + TURN[pace], number, leg, ""))

    def _end(self, number: int, leg: int, moment: float) -> Iterator[tuple[int | str, float]]:
        line = self._lines[number]
        if not line.shadow:
            for bound in line.legs[leg].bounds or ():
                self._free[bound] += 1
        if leg + 1 < len(line.legs):
            self._queue(number, leg + 1, max(moment, line.legs[leg + 1].ready))
        else:
            yield line.name, max(moment + self._differs[number], 0.0)
