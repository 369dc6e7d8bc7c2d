"""`./scripts/recovery`: the options, the order, the exit status (0 all bounds held, 1 one missed, 2 not measured)."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from scripts.benching.booths import WrongAnswer
from scripts.benching.report import describe_machine
from scripts.benching.rig import ROOT, Bench, NotMeasured
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
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the seconds of every kill")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the table for docs/reliability.md; - prints"
    )
    parser.add_argument(
        "--read", type=Path, action="append", metavar="FILE", help="show what an earlier --json wrote; repeat it"
    )
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
    # Each measurement ends what it started, also when it is told to stop.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if options.read:
        runs = [read_json(path) for path in options.read]
        recoveries, machine = [recovery for found, _ in runs for recovery in found], runs[-1][1]
    else:
        try:
            recoveries, machine = measure_all(options), describe_machine()
        except NotMeasured as error:
            print(error, file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 130
    show(Console(width=None if sys.stdout.isatty() else WIDTH), recoveries)
    if options.json:
        write_json(options.json, recoveries, machine)
    if options.markdown:
        text = as_markdown(recoveries, machine)
        if str(options.markdown) == "-":
            print(text)
        else:
            write_markdown(options.markdown, text)
    return 1 if any(recovery.missed for recovery in recoveries) else 0


def measure_all(options: argparse.Namespace) -> list[Recovery]:
    """Everything that is asked for, one after the other. Raises NotMeasured."""
    progress, begun = Console(stderr=True, highlight=False, soft_wrap=True), time.monotonic()

    def say(text: str) -> None:
        progress.print(f"{time.monotonic() - begun:6.1f} s  {text}", markup=False)

    # On the disk that farms usually live on: /tmp may be memory, which syncs for nothing.
    (ROOT / "var").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="recovery-", dir=ROOT / "var"))
    kills = min(options.repeats, QUICK_KILLS) if options.quick else options.repeats
    bench = Bench(folder, kills, options.quick, peers=False, say=say)
    recoveries: list[Recovery] = []
    try:
        for name, measure in MEASUREMENTS.items():
            if not options.only or name in options.only:
                say(f"measuring: {name}")
                recoveries += measure(bench)
    except (NotMeasured, WrongAnswer) as error:
        raise NotMeasured(f"{error}\nWhat was started left its messages in {folder}") from error
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    say("done")
    return recoveries


if __name__ == "__main__":
    sys.exit(main())
