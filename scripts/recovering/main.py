"""`./scripts/recovery`: the options, the order, the exit status (0 all bounds held, 1 one missed, 2 not measured)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from scripts.benching.course import add_outputs, end_well_when_told, hand_out, measure_all, open_console
from scripts.benching.report import describe_machine
from scripts.benching.rig import Bench, NotMeasured
from scripts.recovering import lost_servers, outage, processes, wipes
from scripts.recovering.outcomes import Recovery
from scripts.recovering.report import as_markdown, read_json, show, write_json, write_markdown

MEASUREMENTS: dict[str, Callable[[Bench], list[Recovery]]] = {
    "worker": processes.measure_workers,
    "pool": processes.measure_pools,
    "redis": wipes.measure,
    "server-killed": lost_servers.measure_killed,
    "server-hung": lost_servers.measure_hung,
    "outage": outage.measure,
}
KILLS = 20
QUICK_KILLS = 2
WIDTH = 130


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./scripts/recovery",
        description="Measures how long the farm needs to go on after a kill, with its default timings; 20 minutes.",
    )
    parser.add_argument("--only", action="append", choices=list(MEASUREMENTS), help="one measurement; repeat it")
    parser.add_argument("--repeats", type=int, default=KILLS, metavar="N", help=f"kills of each kind ({KILLS})")
    add_outputs(parser, each="the seconds of every kill", page="docs/reliability.md")
    parser.add_argument(
        "--quick", action="store_true", help="few kills with shrunken timings, to see that it works; no figures"
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
        runs = [read_json(path) for path in options.read]
        recoveries, machine = [recovery for found, _ in runs for recovery in found], runs[-1][1]
    else:
        try:
            recoveries, machine = measure(options), describe_machine()
        except NotMeasured as error:
            print(error, file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 130
    show(open_console(WIDTH), recoveries)
    if options.json:
        write_json(options.json, recoveries, machine)
    hand_out(options.markdown, as_markdown(recoveries, machine), write_markdown)
    return 1 if any(recovery.missed for recovery in recoveries) else 0


def measure(options: argparse.Namespace) -> list[Recovery]:
    """Everything that is asked for. Raises NotMeasured."""
    kills = min(options.repeats, QUICK_KILLS) if options.quick else options.repeats
    return measure_all(MEASUREMENTS, options.only, name="recovery", repeats=kills, quick=options.quick, peers=False)


if __name__ == "__main__":
    sys.exit(main())
