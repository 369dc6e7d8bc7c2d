"""A range of moments in which something will be done, and how it is shown. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

SOONEST_SECONDS = 1.0
"""What is due already and not there yet is shown as this far away."""


@dataclass(frozen=True)
class Span:
    """The earliest, the likeliest and the latest moment, in this order."""

    low: datetime
    middle: datetime
    high: datetime

    @classmethod
    def after(cls, now: datetime, low: float, middle: float, high: float) -> Span:
        """The moments in so many seconds."""
        return cls(*(now + timedelta(seconds=seconds) for seconds in (low, middle, high)))


@dataclass(frozen=True)
class SecondsLeft:
    """A span as somebody sees it who looks now: seconds from now, `low` ≤ `middle` ≤ `high`."""

    low: float
    middle: float
    high: float


def count_down(span: Span, now: datetime) -> SecondsLeft:
    """What is left of a span. A moment that has passed is never shown as past."""
    low = max((span.low - now).total_seconds(), 0.0)
    middle = max((span.middle - now).total_seconds(), SOONEST_SECONDS)
    high = max((span.high - now).total_seconds(), middle)
    return SecondsLeft(round(min(low, middle), 1), round(middle, 1), round(high, 1))
