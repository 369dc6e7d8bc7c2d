"""The verdict on a terminal: a table of all verdicts, then each finding with the merged time line of its task."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scripts.storming.checking.timeline import tell
from scripts.storming.checking.verdict import Verdict

SENTENCES = 10
TIME_LINES = 3


def show(console: Console, verdict: Verdict) -> None:
    """Everything that somebody needs who was not there."""
    title = f"{verdict.orders} orders, {verdict.tasks} tasks, {verdict.faults} faults"
    table = Table("verdict", "found", title=title)
    for name, found in verdict.findings.items():
        table.add_row(name, f"[bold red]{len(found)}[/]" if found else "0")
    for name, found in verdict.told.items():
        table.add_row(f"[dim]{name}[/]", f"[dim]{len(found)}[/]")
    console.print(table)
    kinds = Counter(finding.sentence.rsplit(": ", 1)[-1] for finding in verdict.told.get("failed", ()))
    if kinds:
        console.print("Failed: " + ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common()))
    for name, found in verdict.findings.items():
        for finding in found[:SENTENCES]:
            console.print(f"[bold red]{name}[/]: {escape(finding.sentence)}")
        for finding in found[:TIME_LINES]:
            console.print(f"[bold]{name}: {escape(finding.sentence)}[/]")
            for line in tell(verdict.histories, finding):
                console.print(line, markup=False, highlight=False, soft_wrap=True)
