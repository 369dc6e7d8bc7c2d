"""How recovery times are shown: a table for people, a JSON file, Markdown for docs/reliability.md."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from scripts.benching.report import FACTS, write_between
from scripts.recovering.outcomes import Recovery

BEGIN = "<!-- recovery: written by ./scripts/recovery --markdown -->"
END = "<!-- end of the recovery times -->"
HEAD = ("recovery", "kills", "median", "at most", "worst", "at most", "")


def show(console: Console, recoveries: Sequence[Recovery]) -> None:
    """The table, then each missed bound by name."""
    table = Table(*HEAD, title="Time until work goes on")
    for column in range(1, 6):
        table.columns[column].justify = "right"
    for recovery in recoveries:
        verdict = verdict_of(recovery)
        colour = {"held": "green", "missed": "bold red"}.get(verdict, "")
        table.add_row(*cells_of(recovery), f"[{colour}]{verdict}[/]" if colour else verdict)
    console.print(table)
    for sentence in (sentence for recovery in recoveries for sentence in recovery.missed):
        console.print(f"Missed: {sentence}", markup=False, highlight=False)


def write_json(path: Path, recoveries: Sequence[Recovery], machine: dict[str, Any]) -> None:
    """Everything, every kill of it."""
    document = {"machine": machine, "recoveries": [recovery.described() for recovery in recoveries]}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> tuple[list[Recovery], dict[str, Any]]:
    """What `write_json` wrote."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return [Recovery.from_described(told) for told in document["recoveries"]], document["machine"]


def write_markdown(path: Path, text: str) -> None:
    """Put the table between the marks of a page that has them; else the file holds nothing but the table."""
    write_between(path, text, BEGIN, END)


def as_markdown(recoveries: Sequence[Recovery], machine: dict[str, Any]) -> str:
    """The same for docs/reliability.md."""
    lines = [f"{label}: {machine[key]}  " for key, label in FACTS]
    lines += [f"Python {machine['python']}, {machine['system']}", ""]
    lines += [_row([*HEAD[:-1], "verdict"]), _row(["---", *["---:"] * 5, "---"])]
    lines += [_row([*cells_of(recovery), verdict_of(recovery)]) for recovery in recoveries]
    if missed := [sentence for recovery in recoveries for sentence in recovery.missed]:
        lines += ["", *(f"- **Missed**: {sentence}" for sentence in missed)]
    lines += ["", *(f"- **{recovery.name}**: {recovery.how}." for recovery in recoveries)]
    return "\n".join(lines) + "\n"


def cells_of(recovery: Recovery) -> list[str]:
    """Name, kills, median, its bound, worst, its bound."""
    return [
        recovery.name,
        str(len(recovery.values)),
        _value(recovery.median, recovery.unit),
        _value(recovery.median_bound, recovery.unit),
        _value(recovery.worst, recovery.unit),
        _value(recovery.worst_bound, recovery.unit),
    ]


def verdict_of(recovery: Recovery) -> str:
    """One word; none where nothing is promised."""
    if recovery.median_bound is None and recovery.worst_bound is None:
        return ""
    return "missed" if recovery.missed else "held"


def _value(number: float | None, unit: str) -> str:
    if number is None:
        return ""
    digits = 0 if unit == "tasks" else 2 if number < 10 else 1
    return f"{number:.{digits}f} {unit}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
