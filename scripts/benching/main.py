"""`./scripts/bench`: the options, the order of the figures, the exit status (0 measured, 2 it could not be)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scripts.benching import dispatch, gpu_idle, makespan, memory, statuses, submitting
from scripts.benching.course import add_outputs, end_well_when_told, hand_out, measure_all, open_console
from scripts.benching.figures import Figure
from scripts.benching.reasons import reason_for
from scripts.benching.report import as_markdown, describe_machine, read_json, show, write_json, write_markdown
from scripts.benching.rig import Bench, NotMeasured

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
    add_outputs(parser, each="every round of every figure", page="docs/performance.md")
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
    end_well_when_told()
    if options.read:
        figures, machine = read_all(options.read)
    else:
        try:
            figures, machine = measure(options), describe_machine()
        except NotMeasured as error:
            print(error, file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 130
    figures = [replace(figure, reason=reason_of(figure)) for figure in figures]
    show(open_console(WIDTH), figures)
    if options.json:
        write_json(options.json, figures, machine)
    hand_out(options.markdown, as_markdown(figures, machine), write_markdown)
    return 0


def read_all(paths: Sequence[Path]) -> tuple[list[Figure], dict[str, Any]]:
    """The figures of earlier runs on one machine, and the machine as the last of them describes it."""
    runs = [read_json(path) for path in paths]
    return [figure for figures, _ in runs for figure in figures], runs[-1][1]


def measure(options: argparse.Namespace) -> list[Figure]:
    """Every figure that is asked for. Raises NotMeasured."""
    return measure_all(
        MEASUREMENTS,
        options.only,
        name="bench",
        repeats=1 if options.quick else options.repeats,
        quick=options.quick,
        peers=not options.quick if options.peers is None else options.peers,
    )


def reason_of(figure: Figure) -> str:
    """Why it is missed, if it is."""
    return reason_for(figure.name) if figure.met is False else ""


if __name__ == "__main__":
    sys.exit(main())
