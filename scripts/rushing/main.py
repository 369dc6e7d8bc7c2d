"""`./scripts/rush`: the options, the order of events, the exit status (0 well, 1 not, 2 it could not begin)."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from rich.console import Console

from scripts.rushing import standins, watching
from scripts.rushing.booths import LOOPBACK, Booth, Clock
from scripts.rushing.judging import judge
from scripts.rushing.keys import NoKey, made_keys
from scripts.rushing.menu import FarmNotReady, choose_styles
from scripts.rushing.playing import Plan, Play
from scripts.rushing.report import Bars, Ideal, show, write_json
from scripts.rushing.rows import Row
from scripts.rushing.timing import find_ideal, find_median_work

JOIN_SECONDS = 0.2


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./scripts/rush", description="Plays booths against a running farm.")
    parser.add_argument("--booths", type=int, default=10, help="how many booths; their first orders come at once")
    parser.add_argument("--tasks", type=int, default=50, help="how many orders of one photo in all")
    parser.add_argument("--interval", type=float, default=0.1, help="seconds between the orders after the first ones")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the farm")
    parser.add_argument(
        "--style",
        action="append",
        default=[],
        metavar="NAME",
        help="the orders' style; repeat it or give several with commas, then they are taken in turn. Without it "
        "framed-print, on a simulated farm in turn with each style that has a cloud step",
    )
    parser.add_argument("--same", type=int, default=1, metavar="N", help="send each order N times at the same instant")
    parser.add_argument("--no-resend", action="store_true", help="leave refused (429, 503) what is refused")
    parser.add_argument("--key", action="append", default=[], help="a booth's key; repeat it. Else booths are made")
    parser.add_argument("--seconds", type=float, help="what one task takes a server, for the ideal makespan")
    parser.add_argument("--slots", type=int, help="how many tasks the servers do at once, for the ideal makespan")
    parser.add_argument(
        "--comfyui",
        action="append",
        default=[],
        metavar="URL",
        help="a stand-in for ComfyUI, repeat it: its log tells what was made twice, its settings the ideal",
    )
    parser.add_argument("--patience", type=float, default=900.0, help="seconds until what has not ended is lost")
    parser.add_argument("--allow-failed", action="store_true", help="tasks that end as failed are no reason for exit 1")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every order and the summary")
    options = parser.parse_args(arguments)
    options.style = [name for names in options.style for name in names.split(",") if name]
    if min(options.booths, options.tasks, options.same) < 1 or options.interval < 0:
        parser.error("--booths, --tasks and --same are at least 1, --interval at least 0")
    if options.slots is not None and options.slots < 1:
        parser.error("--slots is at least 1")
    return options


@contextmanager
def opened_booths(options: argparse.Namespace, keys: Sequence[str], clock: Clock) -> Iterator[list[Booth]]:
    """The booths, with one session each; fewer keys than booths are shared."""
    booths = [
        Booth(f"booth {number + 1}", url=options.url, key=keys[number % len(keys)], clock=clock)
        for number in range(options.booths)
    ]
    try:
        yield booths
    finally:
        for booth in booths:
            booth.close()


def find_ideal_of(options: argparse.Namespace, rows: Sequence[Row], plan: Plan, limits: dict[str, int]) -> Ideal | None:
    """The ideal by what was given, else by the stand-ins' settings, else by the tasks' own times and the limit."""
    if len({row.resources for row in rows if row.resources}) > 1 and None in (options.seconds, options.slots):
        return None  # several resources side by side have no one number of slots
    seconds, slots, source = options.seconds, options.slots, "as given"
    if options.comfyui and (seconds is None or slots is None):
        try:
            told = [float(watching.ask_standin(url, "config")["seconds"]) for url in options.comfyui]
            seconds, slots = seconds or sum(told) / len(told), slots or len(told)
            source = "from the stand-ins' settings"
        except (requests.RequestException, ValueError, KeyError):
            source = "as given"
    if seconds is None or slots is None:
        resource = next((row.resources[0] for row in rows if row.resources), "comfyui")
        seconds, slots = seconds or find_median_work(rows), slots or limits.get(resource)
        source = "from the tasks' median and the farm's limit"
    if not seconds or not slots:
        return None
    arrivals = [plan.due(row.number, options.booths) for row in rows if row.is_accepted]
    return Ideal(seconds, slots, find_ideal(arrivals, slots=slots, seconds=seconds), source)


def play(options: argparse.Namespace, run_id: str, console: Console, keys: Sequence[str]) -> int:
    """The whole rush with these keys; its exit status."""
    clock = Clock(deadline=time.monotonic() + options.patience, stopped=threading.Event())
    with opened_booths(options, keys, clock) as booths:
        styles = choose_styles(booths[0], options.style)
        plan = Plan(run_id, styles, options.tasks, options.interval, options.same, not options.no_resend)
        totals = {booth.name: len(range(number, options.tasks, len(booths))) for number, booth in enumerate(booths)}
        bars = Bars(console, totals)
        rush = Play(plan, booths, bars.count)
        with console.status(f"Making {options.tasks} photos"):
            rush.prepare()
        clock.deadline, begun = time.monotonic() + options.patience, time.time()
        with bars, watching.Watch(booths[0]) as watch:
            try:
                _run_beside(rush, lambda: bars.say(watch.sights.now))
                clock.deadline = time.monotonic() + options.patience
                rush.repeat()
            except KeyboardInterrupt:
                clock.stopped.set()
                console.print("Stopped; what had not ended counts as lost.")
    faults = watching.find_faults(watch.sights, rush.rows) + watching.note_made(rush.rows, options.comfyui)
    crowds = read_crowds(options, rush.rows, begun, faults)
    faults += crowds.over(watch.sights.limits)
    if clock.stopped.is_set():
        faults.append("stopped by hand")
    verdict = judge(rush.rows, faults=faults)
    ideal = find_ideal_of(options, rush.rows, plan, watch.sights.limits)
    show(console, verdict, watch.sights, crowds, ideal, failures_allowed=options.allow_failed)
    passed = verdict.passes(failures_allowed=options.allow_failed)
    if options.json:
        told: dict[str, Any] = {"run_id": run_id, "url": options.url, "styles": styles, "booths": options.booths}
        told["calls_at_once"] = crowds.most
        write_json(options.json, rush.rows, verdict, watch.sights, ideal, passed=passed, **told)
    console.print("[bold green]All well.[/]" if passed else "[bold red]Not all well.[/]")
    return 0 if passed else 1


def read_crowds(options: argparse.Namespace, rows: Sequence[Row], begun: float, faults: list[str]) -> standins.Crowds:
    """How many calls were at the stand-ins at once, where their logs lie on this machine."""
    folder = standins.find_folder() if urlsplit(options.url).hostname in LOOPBACK else None
    if folder is None:
        return standins.Crowds()
    try:
        return standins.note_logs(rows, standins.read_logs(folder, begun))
    except (OSError, ValueError) as error:
        faults.append(f"the logs of the stand-ins in {folder} cannot be read: {error}")
        return standins.Crowds()


def _run_beside(rush: Play, look: Callable[[], None]) -> None:
    """The play in a thread, so that Ctrl-C is heard and the farm's numbers are shown meanwhile."""
    thread = threading.Thread(target=rush.run, name="rush", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(JOIN_SECONDS)
        look()


BOOTH_NICE = 10
"""Booths are machines of their own; played on the farm's, they step back for it."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    console, run_id = Console(), secrets.token_hex(3)
    if not options.key and urlsplit(options.url).hostname not in LOOPBACK:
        print("This farm is not on this machine: give a booth's key with --key.", file=sys.stderr)
        return 2
    os.nice(BOOTH_NICE)
    # SIGTERM ends as Ctrl-C does: the keys that were made are still revoked.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with nullcontext(options.key) if options.key else made_keys(run_id, options.booths) as keys:
            return play(options, run_id, console, keys)
    except (FarmNotReady, NoKey) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
