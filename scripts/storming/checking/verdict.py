"""The verdicts together: which were found against the farm, and which findings only tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.storming.checking import of_booths, of_calls, of_limits, of_rows
from scripts.storming.checking.findings import Finding
from scripts.storming.checking.histories import Histories, read_histories

JUDGES: Mapping[str, Callable[[Histories], list[Finding]]] = {
    "lost": of_booths.find_lost,
    "ghost": of_booths.find_ghosts,
    "duplicated": of_calls.find_duplicated,
    "unrecorded": of_calls.find_unrecorded,
    "stuck": of_rows.find_stuck,
    "wrong picture": of_booths.find_wrong_pictures,
    "over the limit": of_limits.find_over_the_limit,
    "over-admitted": of_limits.find_over_admitted,
    "illegal move": of_rows.find_illegal_moves,
    "leak": of_rows.find_leaks,
}
TOLD: Mapping[str, Callable[[Histories], list[Finding]]] = {
    "extra after a freeze": of_calls.find_extra_after_freeze,
    "picture without a readable mark": of_booths.find_unmarked,
    "failed": of_rows.find_failed,
}
"""Shown and counted, but held against nobody."""


@dataclass(frozen=True)
class Verdict:
    """What was found, by name; names without findings are there too."""

    findings: Mapping[str, Sequence[Finding]]
    told: Mapping[str, Sequence[Finding]] = field(default_factory=dict)
    orders: int = 0
    tasks: int = 0
    faults: int = 0
    histories: Histories = field(default_factory=Histories, repr=False)

    @property
    def passes(self) -> bool:
        """Was nothing found against the farm?"""
        return not any(self.findings.values())

    @property
    def counts(self) -> dict[str, int]:
        """How often each verdict was given."""
        return {name: len(found) for name, found in [*self.findings.items(), *self.told.items()]}


def judge(histories: Histories) -> Verdict:
    """All verdicts on what was read."""
    return Verdict(
        {name: find(histories) for name, find in JUDGES.items()},
        {name: find(histories) for name, find in TOLD.items()},
        orders=len(histories.rows("orders")),
        tasks=len(histories.rows("tasks")),
        faults=sum(row["event"] == "begin" for row in histories.nemesis),
        histories=histories,
    )


def check(folder: Path, database_url: str) -> Verdict:
    """Judge the storm whose journals and data lie in `folder`."""
    return judge(read_histories(folder, database_url))
