"""The checker's table on the terminal, and for what failed the time line of the task. Only rich."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scripts.storming.checking.timeline import tell
from scripts.storming.checking.verdict import VERDICTS, Verdict

SENTENCES_SHOWN = 5
TIMELINES_SHOWN = 3
LINES_SHOWN = 80


def show(console: Console, verdict: Verdict) -> None:
    """The verdicts, what was seen, and the time lines of the first tasks that something is wrong with."""
    table = Table("verdict", "found", "what", title="Checked from outside")
    for name in VERDICTS:
        found = verdict.findings[name]
        words = [_name(one.task_id, one.order_id) + escape(one.sentence) for one in found[:SENTENCES_SHOWN]]
        if len(found) > SENTENCES_SHOWN:
            words.append(f"… and {len(found) - SENTENCES_SHOWN} more")
        table.add_row(name, f"[bold red]{len(found)}[/]" if found else "[green]0[/]", "\n".join(words))
    console.print(table)
    seen = {name: value for name, value in verdict.counts.items() if name not in VERDICTS}
    console.print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in seen.items()))
    told: list[tuple[str | None, str | None]] = []
    for name in VERDICTS:
        for finding in verdict.findings[name]:
            whose = (finding.task_id, finding.order_id)
            if whose == (None, None) or whose in told or len(told) >= TIMELINES_SHOWN:
                continue
            told.append(whose)
            lines = tell(verdict.evidence, finding)
            console.print(f"\n[bold]{name}:[/] {_name(*whose)}{escape(finding.sentence)}")
            for line in lines[:LINES_SHOWN]:
                text = f"{line.t - lines[0].t:8.3f}  {line.who:<16}  {line.what}"
                console.print(text, markup=False, style="yellow" if line.who == "nemesis" else "", soft_wrap=True)
            if len(lines) > LINES_SHOWN:
                console.print(f"          … and {len(lines) - LINES_SHOWN} lines more")


def _name(task_id: str | None, order_id: str | None) -> str:
    return "".join(f"{one} " for one in (order_id, task_id and task_id[:8]) if one)
