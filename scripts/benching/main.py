"""`./scripts/bench`: the options, the order of the figures, the exit status (0 measured, 2 it could not be)."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from scripts.benching import dispatch, gpu_idle, makespan, memory, statuses, submitting
from scripts.benching.booths import WrongAnswer
from scripts.benching.figures import Figure
from scripts.benching.reasons import reason_for
from scripts.benching.report import as_markdown, describe_machine, read_json, show, write_json, write_markdown
from scripts.benching.rig import ROOT, Bench, NotMeasured

MEASUREMENTS: dict[str, Callable[[Bench], list[Figure]]] = {
    "makespan": makespan.measure,
    "dispatch": dispatch.measure,
    "submitting": submitting.measure,
    "statuses-sqlite": statuses.measure_sqlite,
    "statuses-postgresql": statuses.measure_postgresql,
    "gpu-idle": gpu_idle.measure,
    "memory": memory.measure,
}
WIDTH = 150


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./scripts/bench",
        description="Measures the farm's speed and memory on this machine, beside RQ's own pool and Celery.",
    )
    parser.add_argument("--only", action="append", choices=sorted(MEASUREMENTS), help="one measurement; repeat it")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of each (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round of every figure")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the tables for docs/performance.md; - prints"
    )
    parser.add_argument(
        "--read",
        type=Path,
        action="append",
        metavar="FILE",
        help="show what an earlier --json wrote instead of measuring; repeat it for runs of single measurements",
    )
    parser.add_argument("--quick", action="store_true", help="the shortest way through, to see that it works; no speed")
    parser.add_argument(
        "--peers",
        action=argparse.BooleanOptionalAction,
        help="measure RQ as shipped and Celery too, from .venv-bench (default: yes, but not with --quick)",
    )
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        parser.error("--repeats is at least 1")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, show, write."""
    options = parse(arguments)
    # Each measurement ends what it started, also when it is told to stop.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if options.read:
        figures, machine = read_all(options.read)
    else:
        try:
            figures, machine = measure_all(options), describe_machine()
        except NotMeasured as error:
            print(error, file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 130
    figures = [replace(figure, reason=reason_of(figure)) for figure in figures]
    show(Console(width=None if sys.stdout.isatty() else WIDTH), figures)
    if options.json:
        write_json(options.json, figures, machine)
    if options.markdown:
        text = as_markdown(figures, machine)
        if str(options.markdown) == "-":
            print(text)
        else:
            write_markdown(options.markdown, text)
    return 0


def read_all(paths: Sequence[Path]) -> tuple[list[Figure], dict[str, Any]]:
    """The figures of earlier runs on one machine, and the machine as the last of them describes it."""
    runs = [read_json(path) for path in paths]
    return [figure for figures, _ in runs for figure in figures], runs[-1][1]


def measure_all(options: argparse.Namespace) -> list[Figure]:
    """Every figure that is asked for, one after the other. Raises NotMeasured."""
    progress, begun = Console(stderr=True, highlight=False, soft_wrap=True), time.monotonic()

    def say(text: str) -> None:
        progress.print(f"{time.monotonic() - begun:6.1f} s  {text}", markup=False)

    # On the disk that farms usually live on: /tmp may be memory, which syncs for nothing.
    (ROOT / "var").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=ROOT / "var"))
    peers = not options.quick if options.peers is None else options.peers
    bench = Bench(folder, 1 if options.quick else options.repeats, options.quick, peers, say)
    figures: list[Figure] = []
    try:
        for name, measure in MEASUREMENTS.items():
            if not options.only or name in options.only:
                say(f"measuring: {name}")
                figures += measure(bench)
    except (NotMeasured, WrongAnswer) as error:
        raise NotMeasured(f"{error}\nWhat was started left its messages in {folder}") from error
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    return figures


def reason_of(figure: Figure) -> str:
    """Why it is missed, if it is."""
    return reason_for(figure.name) if figure.met is False else ""


if __name__ == "__main__":
    sys.exit(main())
