"""How a script of measurements runs: one after the other in a folder of their own, shown, and written where asked."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from scripts.benching.booths import WrongAnswer
from scripts.benching.rig import ROOT, Bench, NotMeasured

T = TypeVar("T")
Measure = Callable[[Bench], list[T]]


def add_outputs(parser: argparse.ArgumentParser, *, each: str, page: str) -> None:
    """--json, --markdown and --read. `each`: what the JSON has one by one; `page`: where the Markdown belongs."""
    parser.add_argument("--json", type=Path, metavar="FILE", help=f"write {each}")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help=f"write the tables for {page}; - prints")
    parser.add_argument(
        "--read",
        type=Path,
        action="append",
        metavar="FILE",
        help="show what an earlier --json wrote instead of measuring; repeat it for runs of single measurements",
    )


def end_well_when_told() -> None:
    """SIGTERM ends a run as Ctrl-C does: each measurement still ends what it started."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def measure_all(
    measurements: Mapping[str, Measure[T]],
    only: Iterable[str] | None,
    *,
    name: str,
    repeats: int,
    quick: bool,
    peers: bool,
) -> list[T]:
    """Everything that is asked for, one after the other. Raises NotMeasured; its text says where the messages are."""
    progress, begun = Console(stderr=True, highlight=False, soft_wrap=True), time.monotonic()

    def say(text: str) -> None:
        progress.print(f"{time.monotonic() - begun:6.1f} s  {text}", markup=False)

    # On the disk that farms usually live on: /tmp may be memory, which syncs for nothing.
    (ROOT / "var").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=ROOT / "var"))
    bench = Bench(folder, repeats, quick, peers, say)
    wanted = set(only or measurements)
    found: list[T] = []
    try:
        for what, measure in measurements.items():
            if what in wanted:
                say(f"measuring: {what}")
                found += measure(bench)
    except (NotMeasured, WrongAnswer) as error:
        raise NotMeasured(f"{error}\nWhat was started left its messages in {folder}") from error
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    return found


def open_console(width: int) -> Console:
    """As wide as the terminal; where there is none, as wide as the table."""
    return Console(width=None if sys.stdout.isatty() else width)


def hand_out(target: Path | None, text: str, write: Callable[[Path, str], None]) -> None:
    """Markdown to a page, or to standard output for `-`."""
    if target is None:
        return
    if str(target) == "-":
        print(text)
    else:
        write(target, text)
