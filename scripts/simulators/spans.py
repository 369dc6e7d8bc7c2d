"""From when until when work was at a stand-in, by its journal, and the most that was there at once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from scripts.simulators.journal import Row

T = TypeVar("T")

FOREVER = float("inf")
Span = tuple[float, float]
"""From when until when."""


def most_at_once(spans: Iterable[tuple[Span, T]]) -> tuple[int, float, T | None]:
    """The most, when that was first so, and whose coming made it so. What ends as another begins is not beside it."""
    changes: list[tuple[float, int, T]] = []
    for (begin, end), what in spans:
        if end > begin:
            changes += [(begin, 1, what), (end, -1, what)]
    level, most, when, whose = 0, 0, 0.0, None
    for moment, change, what in sorted(changes, key=lambda one: one[:2]):
        level += change
        if level > most:
            most, when, whose = level, moment, what
    return most, when, whose


def spans_in(rows: Sequence[Row]) -> Iterator[tuple[Span, Row]]:
    """How long each submission was there."""
    for row in rows:
        if row["event"] == "submit":
            yield (row["t"], left_at(rows, row)), row


def left_at(rows: Iterable[Row], submission: Row) -> float:
    """When a submission ended, was taken out, or went down with its server; FOREVER while it is there."""
    for row in rows:
        if row["t"] < submission["t"] or row["port"] != submission["port"]:
            continue
        is_mine = row.get("prompt_id") == submission["prompt_id"]
        is_cleared = row["event"] == "clear" and submission["prompt_id"] in row["prompt_ids"]
        if (row["event"] in ("end", "delete") and is_mine) or row["event"] == "boot" or is_cleared:
            moment: float = row["t"]
            return moment
    return FOREVER
