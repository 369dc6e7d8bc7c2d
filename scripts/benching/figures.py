"""What a measurement says: a figure with its rounds, its target and what others took beside it. Values only."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

RQ, CELERY_PREFORK, CELERY_THREADS = "RQ as shipped", "Celery prefork", "Celery threads"
PEERS = (RQ, CELERY_PREFORK, CELERY_THREADS)


def percentile(values: Iterable[float], part: float) -> float:
    """The smallest value that at least `part` of the values do not exceed. Raises ValueError of none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


@dataclass(frozen=True)
class Figure:
    """One number that was measured several times. `rounds` holds one value for each repeat, in `unit`.

    `target`: what the median may be at most; None when the number is only told. `beside`: the rounds of others.
    """

    name: str
    how: str
    unit: str
    rounds: Sequence[float]
    target: float | None = None
    beside: Mapping[str, Sequence[float]] = field(default_factory=dict)
    reason: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def worst(self) -> float:
        return max(self.rounds)

    @property
    def met(self) -> bool | None:
        """Is the median within the target? None without one."""
        return None if self.target is None else self.median <= self.target

    @classmethod
    def from_described(cls, told: Mapping[str, Any]) -> Figure:
        """The figure that a JSON file holds."""
        beside = {name: other["rounds"] for name, other in told["beside"].items()}
        return cls(told["name"], told["how"], told["unit"], told["rounds"], told["target"], beside)

    def described(self) -> dict[str, Any]:
        """As the JSON file has it."""
        return {
            "name": self.name,
            "how": self.how,
            "unit": self.unit,
            "repeats": len(self.rounds),
            "rounds": list(self.rounds),
            "median": self.median,
            "worst": self.worst,
            "target": self.target,
            "met": self.met,
            "reason": self.reason,
            "beside": {
                name: {"rounds": list(rounds), "median": statistics.median(rounds), "worst": max(rounds)}
                for name, rounds in self.beside.items()
                if rounds
            },
        }
