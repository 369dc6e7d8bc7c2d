"""How long a step takes: from measured calls of its like, else from its resource's, else from its time limit. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobs.orders.pending import Sample

NEWEST = 30
"""Of how many calls of one kind the spread is taken: enough to be steady, few enough to follow a change."""
EDGE = 0.1
"""The quickest and the slowest tenth are left aside."""
FEW = 0.5
"""With n measured calls the spread is widened by this divided by the root of n: one alone may be off by half."""
CALMING = 0.5
"""Of many calls in a row only so much of the spread adds up: slow and quick ones even out."""
OTHER_STYLE = 2.0
"""A step that was never measured may be so many times quicker or slower than others of its resource."""
GUESS = (100.0, 12.0, 4.0)
"""Where nothing was measured: the time limit divided by these. Limits are set generously."""


@dataclass(frozen=True)
class Duration:
    """Seconds: quick, usual and slow. `in_a_row`: of each when many follow one another."""

    alone: tuple[float, float, float]
    in_a_row: tuple[float, float, float]


class Durations:
    """What was measured lately."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        """`samples`: the newest first."""
        self._own: dict[tuple[str, int, int], list[float]] = defaultdict(list)
        self._peers: dict[tuple[str, str | None], list[float]] = defaultdict(list)
        self._found: dict[tuple[str, int, int, str | None, float], Duration] = {}
        for sample in samples:
            self._own[sample.style, sample.position, sample.rung].append(sample.seconds)
            self._peers[sample.resource, sample.provider].append(sample.seconds)

    def of(
        self, style: str, position: int, rung: int, *, resource: str, provider: str | None, timeout_s: float
    ) -> Duration:
        """How long this step of a style takes on this rung, never longer than its time limit."""
        way = (style, position, rung, provider, timeout_s)
        if way not in self._found:
            self._found[way] = self._find(style, position, rung, resource, provider, timeout_s)
        return self._found[way]

    def _find(
        self, style: str, position: int, rung: int, resource: str, provider: str | None, timeout_s: float
    ) -> Duration:
        if own := self._own.get((style, position, rung)):
            return measure(own[:NEWEST], timeout_s)
        if peers := self._peers.get((resource, provider)):
            quick, usual, slow = measure(peers[:NEWEST], timeout_s).alone
            alone = (quick / OTHER_STYLE, usual, min(slow * OTHER_STYLE, timeout_s))
            return Duration(alone, alone)
        quick, usual, slow = (timeout_s / part for part in GUESS)
        return Duration((quick, usual, slow), (quick, usual, slow))


def measure(seconds: Sequence[float], timeout_s: float) -> Duration:
    """The spread of measured seconds, the wider the fewer there are. Raises IndexError without any."""
    ascending = sorted(seconds)
    margin = 1 + FEW / math.sqrt(len(ascending))
    usual = ascending[len(ascending) // 2]
    edge = int(len(ascending) * EDGE)
    quick, slow = ascending[edge] / margin, ascending[-1 - edge] * margin
    alone = (quick, usual, max(min(slow, timeout_s), usual))
    calm = (usual - (usual - quick) * CALMING, usual, usual + (alone[2] - usual) * CALMING)
    return Duration(alone, calm)
