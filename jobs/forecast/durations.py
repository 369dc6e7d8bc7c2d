"""How long a step takes: from measured calls of its like, else from its resource's, else from its time limit. Pure."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobs.orders.pending import Sample, Way

NEWEST = 20
"""Of how many calls of one kind the spread is taken: enough to be steady, few enough to follow a change."""
EDGE = 0.05
"""The quickest and the slowest twentieth are left aside."""
DRIFT = 1.15
"""All of them may become so many times quicker or slower together: a warm machine, a busy network."""
FEW = 0.5
"""With n measured calls it is this divided by the root of n more: one alone may be off by far."""
CALMING = 0.75
"""Of many calls in a row only so much of the spread adds up: slow and quick ones even out."""
OTHER_STYLE = 2.0
"""A step that was never measured may be so many times quicker or slower than others of its resource."""
GUESS = (400.0, 20.0, 8.0)
"""Where nothing was measured: the time limit divided by these. Limits are set generously, some far more than others."""


@dataclass(frozen=True)
class Duration:
    """Seconds: quick, usual and slow. `in_a_row`: of each when many follow one another."""

    alone: tuple[float, float, float]
    in_a_row: tuple[float, float, float]


class Durations:
    """What was measured lately."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        """`samples`: the newest first."""
        self._own: dict[Way, list[float]] = defaultdict(list)
        self._peers: dict[tuple[str, str | None], list[float]] = defaultdict(list)
        self._found: dict[tuple[Way, float], Duration] = {}
        for sample in samples:
            self._own[sample.way].append(sample.seconds)
            self._peers[sample.way.resource, sample.way.provider].append(sample.seconds)

    def of(self, way: Way, timeout_s: float) -> Duration:
        """How long a step takes that is made this way; no measured one longer than its time limit."""
        key = (way, timeout_s)
        if key not in self._found:
            self._found[key] = self._find(way, timeout_s)
        return self._found[key]

    def _find(self, way: Way, timeout_s: float) -> Duration:
        if own := self._own.get(way):
            return measure(own[:NEWEST], timeout_s)
        if peers := self._peers.get((way.resource, way.provider)):
            quick, usual, slow = measure(peers[:NEWEST], timeout_s).alone
            guess = (quick / OTHER_STYLE, usual, max(min(slow * OTHER_STYLE, timeout_s), usual))
        else:
            guess = (timeout_s / GUESS[0], timeout_s / GUESS[1], timeout_s / GUESS[2])
        return Duration(guess, guess)


def measure(seconds: Sequence[float], timeout_s: float) -> Duration:
    """The spread of measured seconds, the wider the fewer there are. Raises IndexError without any."""
    ascending = sorted(seconds)
    edge = int(len(ascending) * EDGE)
    low, usual, high = ascending[edge], ascending[len(ascending) // 2], ascending[-1 - edge]
    # A row of them takes the mean of each, which a few slow ones raise above the median.
    steady = statistics.fmean(min(max(one, low), high) for one in ascending)
    margin = DRIFT + FEW / math.sqrt(len(ascending))

    def spread(low: float, middle: float, high: float) -> tuple[float, float, float]:
        return low / margin, middle, max(min(high * margin, timeout_s), middle)

    return Duration(
        alone=spread(low, usual, high),
        in_a_row=spread(steady - (steady - low) * CALMING, steady, steady + (high - steady) * CALMING),
    )
