"""Why a figure is missed, by its name: one sentence for the table, written after looking where the time goes."""

from __future__ import annotations

REASONS: dict[str, str] = {}
UNKNOWN = "not yet known; write it into scripts/benching/reasons.py"


def reason_for(name: str) -> str:
    """The sentence for a figure that is missed."""
    return REASONS.get(name, UNKNOWN)
