"""One finding: a sentence, and by which ids its time line is found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """`order_id` as the booth wrote it, `task` the row's id, `moment` in seconds since the epoch; as far as known."""

    sentence: str
    order_id: str | None = None
    task: int | None = None
    moment: float | None = None
