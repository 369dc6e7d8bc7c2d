"""A fault that was drawn: what it hits, for how long, how it begins and how it ends. Values only."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.storming.place import Place


def do_nothing() -> None:
    """How a fault ends that is over at once."""


@dataclass(frozen=True)
class Strike:
    """`key`: of two strikes with the same one, the second waits. `also`: more for the journal."""

    fault: str
    target: str
    key: str
    begin: Callable[[], None]
    end: Callable[[], None] = do_nothing
    seconds: float = 0.0
    pid: int | None = None
    also: Mapping[str, Any] = field(default_factory=dict)


Draw = Callable[[Place, random.Random], Strike | None]
"""None: what it would hit is not there at this moment."""
