"""Times that are left, as people read them."""

from __future__ import annotations


def count_down(seconds: float) -> str:
    """`7 s`, `1:05 min`, `3:20 h`."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"
