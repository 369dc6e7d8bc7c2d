"""Times of a rush: percentiles, who overtook whom, how much ran at once, the ideal makespan. Pure."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime

from scripts.rushing.rows import Row
from scripts.simulators.spans import most_at_once

EQUAL_SECONDS = 0.1  # tasks created within this count as having arrived together


def moment(text: str) -> float:
    """An RFC 3339 time as seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()


def percentile(values: Iterable[float], part: float) -> float | None:
    """The smallest value that at least `part` of the values do not exceed; None of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else None


def find_overtaken(rows: Sequence[Row]) -> list[str]:
    """The orders that a later one of their lane overtook."""
    lanes: dict[str, list[Row]] = {}
    for row in rows:
        lanes.setdefault(row.lane, []).append(row)
    late = {order_id for lane in lanes.values() for order_id in _overtaken_in(lane)}
    return [row.order_id for row in rows if row.order_id in late]


def _overtaken_in(rows: Sequence[Row]) -> list[str]:
    """Created clearly earlier, started later."""
    started = sorted(
        (moment(row.created_at), moment(row.started_at), row.order_id)
        for row in rows
        if row.created_at and row.started_at
    )
    created = [entry[0] for entry in started]
    # The earliest start among this and all that arrived after it.
    earliest = [math.inf] * (len(started) + 1)
    for index in range(len(started) - 1, -1, -1):
        earliest[index] = min(started[index][1], earliest[index + 1])
    return [
        order_id
        for created_at, started_at, order_id in started
        if earliest[bisect_right(created, created_at + EQUAL_SECONDS)] < started_at
    ]


def count_most_at_once(rows: Sequence[Row]) -> int:
    """The most tasks that had started and not finished at one moment."""
    spans = (
        ((moment(row.started_at), moment(row.finished_at)), row) for row in rows if row.started_at and row.finished_at
    )
    return most_at_once(spans)[0]


def find_makespan(rows: Sequence[Row]) -> float | None:
    """Seconds from the first POST to the last picture."""
    begun = [row.t_submit for row in rows if row.t_submit is not None]
    ended = [row.t_picture for row in rows if row.t_picture is not None]
    return max(ended) - min(begun) if begun and ended else None


def find_ideal(arrivals: Iterable[float], *, slots: int, seconds: float) -> float:
    """The makespan of servers that are never idle while something waits, and lose no time between two tasks."""
    free = [0.0] * slots
    end = 0.0
    for arrival in sorted(arrivals):
        done = max(arrival, heapq.heappop(free)) + seconds
        heapq.heappush(free, done)
        end = max(end, done)
    return end


def find_median_work(rows: Sequence[Row]) -> float | None:
    """The median of the tasks' own durations: what stands in for `--seconds` when nobody knows it."""
    return percentile(
        [moment(row.finished_at) - moment(row.started_at) for row in rows if row.started_at and row.finished_at], 0.5
    )
