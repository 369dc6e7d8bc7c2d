"""How the figures are shown: a table for people, a JSON file, and Markdown for docs/performance.md."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from scripts.benching.figures import PEERS, Figure
from scripts.benching.rig import ROOT

BEGIN = "<!-- figures: written by ./scripts/bench --markdown -->"
END = "<!-- end of the figures -->"
FACTS = (("date", "Date"), ("commit", "Commit"), ("processor", "Processor"), ("cores", "Cores"), ("memory", "Memory"))


def describe_machine() -> dict[str, Any]:
    """Where and when this was measured."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "processor": model,
        "cores": os.cpu_count(),
        "memory": f"{psutil.virtual_memory().total / 1024**3:.0f} GiB",
        "system": platform.platform(),
        "python": sys.version.split()[0],
    }


def show(console: Console, figures: Sequence[Figure]) -> None:
    """The table, then what is missed."""
    peers = [name for name in PEERS if any(name in figure.beside for figure in figures)]
    table = Table("figure", "median", "worst", "target", "", *peers, title="Measured speed")
    for column in (1, 2, 3):
        table.columns[column].justify = "right"
    for figure in figures:
        colour = {True: "green", False: "bold red", None: ""}[figure.met]
        met = {True: "met", False: "missed", None: ""}[figure.met]
        cells = [figure.name, _value(figure.median, figure.unit), _value(figure.worst, figure.unit), _target(figure)]
        table.add_row(*cells, f"[{colour}]{met}[/]" if colour else met, *(_beside(figure, name) for name in peers))
    console.print(table)
    for figure in figures:
        if figure.met is False:
            console.print(f"Missed: {figure.name}: {figure.reason}", markup=False, highlight=False)


def write_json(path: Path, figures: Sequence[Figure], machine: dict[str, Any]) -> None:
    """Everything, every round of it."""
    document = {"machine": machine, "figures": [figure.described() for figure in figures]}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> tuple[list[Figure], dict[str, Any]]:
    """What `write_json` wrote: the figures and the machine."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return [Figure.from_described(told) for told in document["figures"]], document["machine"]


def write_markdown(path: Path, text: str) -> None:
    """Put the tables between the marks of a page that has them; else the file holds nothing but the tables."""
    write_between(path, text, BEGIN, END)


def write_between(path: Path, text: str, begin: str, end: str) -> None:
    """Put a text between two marks of a page; a page without them becomes nothing but the text."""
    page = path.read_text(encoding="utf-8") if path.exists() else ""
    before, first, rest = page.partition(begin)
    _, last, after = rest.partition(end)
    whole = f"{before}{begin}\n\n{text}\n{end}{after}" if first and last else text
    path.write_text(whole, encoding="utf-8")


def as_markdown(figures: Sequence[Figure], machine: dict[str, Any]) -> str:
    """The same for docs/performance.md."""
    peers = [name for name in PEERS if any(name in figure.beside for figure in figures)]
    head = ["Figure", "Median", "Worst", "Target", "Met", *peers]
    lines = [f"{label}: {machine[key]}  " for key, label in FACTS]
    lines += [f"Python {machine['python']}, {machine['system']}", ""]
    lines += [_row(head), _row(["---", *["---:"] * 3, *["---"] * (len(head) - 4)])]
    for figure in figures:
        met = {True: "yes", False: "**no**", None: ""}[figure.met]
        cells = [figure.name, _value(figure.median, figure.unit), _value(figure.worst, figure.unit), _target(figure)]
        lines.append(_row([*cells, met, *(_beside(figure, name) for name in peers)]))
    missed = [figure for figure in figures if figure.met is False]
    if missed:
        lines += ["", "Missed:", "", *(f"- **{figure.name}**: {figure.reason}" for figure in missed)]
    lines += ["", "How each was measured (rounds in brackets):", ""]
    lines += [f"- **{figure.name}** ({len(figure.rounds)}): {figure.how}." for figure in figures]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _value(number: float, unit: str) -> str:
    digits = 2 if number < 10 else 1 if number < 100 else 0
    sign, _, what = unit.partition(" ")
    if sign == "×":
        return f"{number:.3f} ×" if what == "ideal" else f"{number:.2f} ×"
    return f"{number:.{digits}f} {unit}"


def _target(figure: Figure) -> str:
    return "" if figure.target is None else f"≤ {figure.target:g} {figure.unit.partition(' ')[0]}"


def _beside(figure: Figure, name: str) -> str:
    rounds = figure.beside.get(name)
    return _value(statistics.median(rounds), figure.unit) if rounds else ""


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607  the git of whoever measures
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"
