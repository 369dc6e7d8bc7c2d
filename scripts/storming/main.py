"""`./scripts/storm`: the options, the order of events, the exit status (0 well, 1 not, 2 it could not begin)."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from scripts.benching.rig import ROOT, NotMeasured
from scripts.rushing.booths import Clock
from scripts.simulators.journal import Journal
from scripts.storming import checking, place
from scripts.storming.booths import Booths
from scripts.storming.draining import wait_until_drained
from scripts.storming.nemesis import Nemesis
from scripts.storming.place import Place, made_keys, opened_place, wait_for_workers

BOOTHS, QUICK_BOOTHS = 10, 4
RUSH_SECONDS, QUICK_RUSH_SECONDS = 20.0, 6.0
HEAD_START_SECONDS = 2.0
DRAIN_SECONDS = 180.0
SHOWN = 20
WIDTH = 140


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./scripts/storm",
        description="Breaks every part of a farm under load at random, then proves that nothing was lost.",
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="how long things are broken (5)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed draws the same kind of storm (1)")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--folder", type=Path, help="a new folder for all that is written down (default: below var/)")
    parser.add_argument("--faults-per-minute", type=float, default=45.0, help="on the average (45)")
    parser.add_argument("--quick", action="store_true", help="fewer booths and shorter rushes, for a test")
    options = parser.parse_args(arguments)
    if options.minutes <= 0 or options.faults_per_minute <= 0:
        parser.error("--minutes and --faults-per-minute are above 0")
    if options.folder is not None and options.folder.exists() and any(options.folder.iterdir()):
        parser.error(f"{options.folder} is not empty")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """A storm from beginning to end."""
    options = parse(arguments)
    # What was started is ended also when we are told to stop.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    folder = _make_folder(options.folder)
    console.print(f"A storm of {options.minutes:g} min, seed {options.seed}, {options.database}, below {folder}")
    try:
        with opened_place(folder, database=options.database) as opened:
            well = _storm(options, opened, console)
        if well and options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            console.print(f"Everything that was written down lies in {folder}")
        console.print("[bold green]All well.[/]" if well else "[bold red]Not all well.[/]")
        return 0 if well else 1
    except NotMeasured as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _make_folder(wanted: Path | None) -> Path:
    if wanted is not None:
        wanted.mkdir(parents=True, exist_ok=True)
        return wanted.resolve()
    (ROOT / "var").mkdir(exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="storm-", dir=ROOT / "var"))


def _storm(options: argparse.Namespace, opened: Place, console: Console) -> bool:
    """Break, heal, drain, judge; whether all is well."""
    folder = opened.folder
    journal = Journal(folder / "nemesis.jsonl")
    journal.write(
        "settings",
        claim_s=place.CLAIM_SECONDS,
        comfyui_limit=place.COMFYUI_LIMIT,
        api_limit=place.API_LIMIT,
        comfyui_depth=place.COMFYUI_DEPTH,
        queue_limit=place.QUEUE_LIMIT,
        providers={name: cloud.described for name, cloud in opened.clouds.items()},
        seed=options.seed,
        database=options.database,
        small_disk=opened.disk.is_ours,
    )
    keys = made_keys(opened, QUICK_BOOTHS if options.quick else BOOTHS)
    wait_for_workers(opened)
    seconds = options.minutes * 60
    clock = Clock(time.monotonic() + seconds + DRAIN_SECONDS * 2, threading.Event())
    booths = Booths(
        opened.url,
        keys,
        Journal(folder / "booths.jsonl"),
        options.seed,
        clock,
        QUICK_RUSH_SECONDS if options.quick else RUSH_SECONDS,
    )
    nemesis = Nemesis(opened, journal, seed=options.seed, per_minute=options.faults_per_minute)
    try:
        left = _play(seconds, opened, booths, nemesis, journal, console)
    finally:
        booths.close()
    if not opened.stop():
        left.append("the farm did not end well after SIGTERM")
    _show_faults(console, nemesis)
    return _judge(opened, left, console)


def _play(
    seconds: float, opened: Place, booths: Booths, nemesis: Nemesis, journal: Journal, console: Console
) -> list[str]:
    """The storm and its drain; what is left undone."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("{task.fields[said]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("storm", total=seconds, said="")
        begun = time.monotonic()

        def tell() -> None:
            said = f"{nemesis.total} faults, {booths.accepted} orders, {booths.ended} ended, {booths.queued} queued"
            now = ", ".join(nemesis.in_effect())
            progress.update(bar, completed=time.monotonic() - begun, said=f"{said}  [dim]{now}[/]")

        booths.start()
        time.sleep(HEAD_START_SECONDS)
        nemesis.rage(seconds, tell)
        nemesis.end_all()
        booths.stop_ordering()
        opened.heal()
        journal.write("healed")
        healed = time.monotonic()
        progress.update(bar, description="drain", total=None)
        left = wait_until_drained(
            opened, booths, seconds=DRAIN_SECONDS, tell=lambda said: progress.update(bar, said=said)
        )
    took = time.monotonic() - healed
    if left:
        journal.write("not_drained", left=left)
    else:
        journal.write("drained", seconds=round(took, 3))
    state = "not drained" if left else "drained"
    console.print(f"{booths.accepted} orders accepted, {booths.ended} ended; {state} {took:.1f} s after the storm")
    return left


def _show_faults(console: Console, nemesis: Nemesis) -> None:
    counts = ", ".join(f"{count} × {fault}" for fault, count in nemesis.counts.most_common())
    console.print(f"{nemesis.total} faults: {counts}; {nemesis.missed} more met what was broken already")


def _judge(opened: Place, left: list[str], console: Console) -> bool:
    """The checker's verdict from outside, and what the booths and the drain saw."""
    troubles = _read_troubles(opened.folder / "booths.jsonl")
    verdict = checking.check(opened.folder, opened.store.url)
    checking.show(console, verdict)
    for what in left:
        console.print(f"[red]not drained:[/] {what}")
    for what, count in list(troubles.items())[:SHOWN]:
        console.print(f"[red]unexpected answer:[/] {count} × {what}")
    return verdict.passes and not left and not troubles


def _read_troubles(journal: Path) -> Counter[str]:
    """Answers that no fault excuses: a 500, an order or a picture that is not there."""
    rows = [json.loads(line) for line in journal.read_text().splitlines()]
    troubles = [row for row in rows if row["event"] == "trouble"]
    return Counter(f"{row['what']}: {row['status']} {row.get('code') or ''}".strip() for row in troubles)


if __name__ == "__main__":
    sys.exit(main())
