"""What a rush shows: live progress of each booth, the table at the end, the JSON file. Only rich and one file."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from scripts.rushing.judging import Promises, Verdict
from scripts.rushing.rows import Row
from scripts.rushing.standins import Crowds
from scripts.rushing.watching import Sights

SHOWN = 12  # order ids or faults listed one by one


@dataclass(frozen=True)
class Ideal:
    """What the makespan is compared with, and where its numbers come from."""

    seconds: float
    slots: int
    makespan: float
    source: str


class Bars:
    """A bar for each booth, and one for the farm; a context manager, usable from any thread."""

    def __init__(self, console: Console, totals: dict[str, int]) -> None:
        self._lock = threading.Lock()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._counts = {name: {"sent": 0, "accepted": 0, "refused": 0} for name in totals}
        self._bars: dict[str, TaskID] = {}
        for name, total in totals.items():
            self._bars[name] = self._progress.add_task(name, total=total, said="")
        self._farm = self._progress.add_task("the farm", total=sum(totals.values()), said="")

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def count(self, booth: str, what: str) -> None:
        """One more order `sent`, `accepted`, `refused` or, which moves the bar, `done`."""
        with self._lock:
            counts = self._counts[booth]
            if what == "done":
                self._progress.advance(self._bars[booth])
                self._progress.advance(self._farm)
            else:
                counts[what] += 1
            said = ", ".join(f"{number} {word}" for word, number in counts.items() if number)
            self._progress.update(self._bars[booth], said=said)

    def say(self, text: str) -> None:
        """What the farm itself says about its queue."""
        self._progress.update(self._farm, said=text)


def show(
    console: Console,
    verdict: Verdict,
    sights: Sights,
    crowds: Crowds,
    ideal: Ideal | None,
    *,
    failures_allowed: bool,
) -> None:
    """The table, then whatever is wrong, by name, then how many pictures came when it had been promised."""
    table = Table("", "", title=f"A rush of {verdict.orders} orders", show_header=False)
    for name, value, bad in _lines(verdict, sights, crowds, ideal, failures_allowed):
        table.add_row(name, f"[bold red]{escape(value)}[/]" if bad else escape(value))
    console.print(table)
    for title, names in (
        ("Lost", verdict.lost),
        ("Done twice", verdict.done_twice),
        ("Wrong pictures", verdict.wrong_pictures),
        ("Failed", verdict.failed),
        ("Overtaken", verdict.overtaken),
        ("Faults", verdict.faults),
    ):
        if names:
            more = f" … and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            console.print(f"{title}: {'; '.join(names[:SHOWN])}{more}", markup=False, highlight=False)
    console.print(f"Finished within the range shown when submitted: {_tell(verdict.promises)}", highlight=False)


def _lines(
    verdict: Verdict, sights: Sights, crowds: Crowds, ideal: Ideal | None, failures_allowed: bool
) -> list[tuple[str, str, bool]]:
    refused = ", ".join(f"{count} × {kind}" for kind, count in verdict.refused_answers.items())
    left = f"; {len(verdict.left_refused)} orders left refused" if verdict.left_refused else ""
    busy = ", ".join(f"{name} {most} of {sights.limits.get(name)}" for name, most in sights.busy.items())
    calls = ", ".join(f"{name} {most} of {sights.limits.get(name)}" for name, most in crowds.most.items())
    makespan = "–" if verdict.makespan is None else f"{verdict.makespan:.1f} s"
    if ideal is not None and verdict.makespan is not None:
        ratio = f" (× {verdict.makespan / ideal.makespan:.2f})" if ideal.makespan > 0 else ""
        makespan += (
            f", ideal {ideal.makespan:.1f} s{ratio}: {ideal.slots} slots of {ideal.seconds:.2f} s, {ideal.source}"
        )
    return [
        ("accepted", f"{verdict.accepted} of {verdict.orders}", False),
        ("pictures", f"{verdict.succeeded}" + (f", {verdict.retried} after a retry" if verdict.retried else ""), False),
        ("refused answers", (refused or "0") + left, False),
        ("connection errors", str(verdict.connection_errors), False),
        ("duplicates answered as such", str(verdict.duplicate_answers), False),
        ("lost", str(len(verdict.lost)), bool(verdict.lost)),
        ("done twice", str(len(verdict.done_twice)), bool(verdict.done_twice)),
        ("wrong pictures", str(len(verdict.wrong_pictures)), bool(verdict.wrong_pictures)),
        ("pictures without a readable mark", str(verdict.unmarked_pictures), False),
        ("failed", str(len(verdict.failed)), bool(verdict.failed) and not failures_allowed),
        ("overtaken by a later one", str(len(verdict.overtaken)), bool(verdict.overtaken)),
        ("other faults", str(len(verdict.faults)), bool(verdict.faults)),
        ("wait from accepted to picture", f"p50 {_seconds(verdict.wait_p50)}, p95 {_seconds(verdict.wait_p95)}", False),
        ("makespan", makespan, False),
        ("most in flight", f"{verdict.most_at_once} by the tasks' times, {sights.running} seen running", False),
        ("most queued", f"{sights.queued} of {sights.queue_limit}", False),
        ("most busy workers", busy or "–", False),
        ("most calls at once, by the stand-ins", calls or "not known", bool(crowds.over(sights.limits))),
    ]


def _tell(promises: Promises) -> str:
    if not promises.judged:
        return "–"
    share = f"{promises.kept} of {promises.judged} ({100 * promises.kept / promises.judged:.0f} %)"
    missed = f"; {promises.early} early, {promises.late} late" if promises.judged > promises.kept else ""
    return f"{share}{missed}; the median range is {_seconds(promises.width_p50)} wide"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s"


def write_json(
    path: Path, rows: Sequence[Row], verdict: Verdict, sights: Sights, ideal: Ideal | None, **more: Any
) -> None:
    """Everything that was seen, for whoever looks closer."""
    summary = {**more, **verdict.described(), "ideal": asdict(ideal) if ideal else None, "seen": asdict(sights)}
    document = {"summary": summary, "orders": [row.described() for row in rows]}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
