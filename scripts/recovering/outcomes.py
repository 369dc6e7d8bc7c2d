"""What a measurement of recovery says: the seconds of each kill, and what they may be. Values only."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Recovery:
    """How long it took to go on, once for each kill. `values` are in `unit`.

    A bound is what the median or the worst value may be at most; None where nothing is promised.
    """

    name: str
    how: str
    unit: str
    values: Sequence[float]
    median_bound: float | None = None
    worst_bound: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def worst(self) -> float:
        return max(self.values)

    @property
    def missed(self) -> list[str]:
        """A sentence for each bound that was missed."""
        said = []
        for word, value, bound in (
            ("median", self.median, self.median_bound),
            ("worst", self.worst, self.worst_bound),
        ):
            if bound is not None and value > bound:
                said.append(f"{self.name}: the {word} is {value:.2f} {self.unit}, above {bound:g} {self.unit}")
        return said

    @classmethod
    def from_described(cls, told: dict[str, Any]) -> Recovery:
        """The recovery that a JSON file holds."""
        names = ("name", "how", "unit", "values", "median_bound", "worst_bound")
        return cls(**{name: told[name] for name in names})

    def described(self) -> dict[str, Any]:
        """As the JSON file has it."""
        return {
            "name": self.name,
            "how": self.how,
            "unit": self.unit,
            "kills": len(self.values),
            "values": list(self.values),
            "median": self.median,
            "median_bound": self.median_bound,
            "worst": self.worst,
            "worst_bound": self.worst_bound,
            "missed": self.missed,
        }
