"""The results: what was checked, against what, and what came of it; and the table of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from rich.console import Console
from rich.table import Table

from scripts.verifying.comparing import Difference, Known

LONGEST_NOTE = 400
STYLES = {"passed": "green", "failed": "bold red"}


class Failed(Exception):
    """A check found something else than it should."""


def expect(holds: object, otherwise: str) -> None:
    """Raises Failed."""
    if not holds:
        raise Failed(otherwise)


@dataclass
class Row:
    """One check. `note`: what was seen, or what is wrong."""

    provider: str
    against: str
    check: str
    outcome: Literal["passed", "failed"] = "passed"
    note: str = ""


@dataclass
class Sheet:
    """All checks of a run, printed as they end."""

    console: Console
    rows: list[Row] = field(default_factory=list)
    explained: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """(provider, field, the two values) -> why they may differ."""

    @contextmanager
    def check(self, provider: str, against: str, check: str) -> Iterator[Row]:
        """One check in a block; whatever it raises fails the check, not the run."""
        row = Row(provider, against, check)
        try:
            yield row
        except Exception as error:
            row.outcome = "failed"
            is_plain = isinstance(error, Failed)
            row.note = (str(error) if is_plain else f"{type(error).__name__}: {error}")[:LONGEST_NOTE]
        self.add(row)

    def add(self, row: Row) -> None:
        self.rows.append(row)
        style = STYLES[row.outcome]
        self.console.print(f"[{style}]{row.outcome}[/] {row.provider} · {row.check}", highlight=False)

    def explain(self, provider: str, difference: Difference, known: Known) -> None:
        values = "" if "*" in known.field else f"{_short(difference.ours)} / {_short(difference.theirs)}"
        self.explained[provider, known.field, values] = known.why

    @property
    def is_good(self) -> bool:
        return bool(self.rows) and all(row.outcome == "passed" for row in self.rows)

    def show(self) -> None:
        """Both tables."""
        table = Table("provider", "check", "against", "result", "seen", title="The providers, verified independently")
        for row in self.rows:
            table.add_row(row.provider, row.check, row.against, f"[{STYLES[row.outcome]}]{row.outcome}[/]", row.note)
        self.console.print(table)
        if self.explained:
            known = Table("provider", "field", "ours / theirs", "why", title="Differences that are known and explained")
            for (provider, name, values), why in sorted(self.explained.items()):
                known.add_row(provider, name, values, why)
            self.console.print(known)


def _short(text: str) -> str:
    return text if len(text) <= 30 else f"{text[:29]}…"
