"""Whole numbers as operators type them."""

from __future__ import annotations

LONGEST = 5


def read_number(text: str) -> int | None:
    """A number of at most 5 ASCII digits; None for anything else."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= LONGEST else None
