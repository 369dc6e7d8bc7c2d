"""Whole numbers in what operators type and in the addresses of their pages."""

from __future__ import annotations

LONGEST = 5
LONGEST_ROW_ID = 18


def read_number(text: str) -> int | None:
    """A number of at most 5 ASCII digits; None for anything else."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= LONGEST else None


def read_row_id(text: str) -> int | None:
    """The number of a row that a page goes on from; None for what is no row's, and no integer of the database."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= LONGEST_ROW_ID else None
