"""The Procfile under honcho, `./scripts/honcho [PROCESS …]`: the same farm as `./scripts/up`, its lines prefixed.

honcho's own command kills what still runs 5 s after SIGTERM, which cuts off paid calls, and gives every process another
PORT. Here each has the time of the longest style and a minute more, and the settings as they are.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import honcho.manager
from honcho.environ import parse_procfile
from honcho.manager import Manager
from honcho.printer import Printer

from jobs.errors import SettingsError
from jobs.settings import Settings
from jobs.styles.ladder import rungs_of
from jobs.styles.shelf import BUILTIN, StyleShelf
from scripts.launch import Launcher, start_redis

PROCFILE = Path(__file__).resolve().parents[1] / "Procfile"
MARGIN_SECONDS = 60


class PatientManager(Manager):
    """Passes a second signal on too: the pools then end at once, and what they did is adopted by the next start."""

    def _start(self) -> None:
        super()._start()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _once_then(signal.getsignal(number), self._killall))


def main() -> int:
    """Run until told to stop, or until one of the processes ends; then all end."""
    lines = parse_procfile(PROCFILE.read_text()).processes
    parser = argparse.ArgumentParser(prog="honcho", description=__doc__)
    parser.add_argument(
        "processes", nargs="*", metavar="PROCESS", help=f"which ones; all when none is named: {[*lines]}"
    )
    named = parser.parse_args().processes or list(lines)
    if unknown := set(named) - set(lines):
        print(f"The Procfile has no {', '.join(sorted(unknown))}; it has {', '.join(lines)}.", file=sys.stderr)
        return 2
    try:
        settings = Settings.load()
    except SettingsError as exc:
        print(exc, file=sys.stderr)
        return 2
    honcho.manager.KILL_WAIT = longest_step_seconds(settings) + MARGIN_SECONDS
    launcher = Launcher(services={})  # honcho keeps those up
    try:
        if not settings.redis_url:
            start_redis(launcher, settings)
        manager = PatientManager(Printer(sys.stdout))
        for name in named:
            manager.add_process(name, f"exec {lines[name]}", env=launcher.environment, cwd=os.fspath(PROCFILE.parent))
        manager.loop()
        return int(manager.returncode or 0)
    finally:
        launcher.drain()
        if not settings.redis_url:
            settings.redis_note.unlink(missing_ok=True)


def longest_step_seconds(settings: Settings) -> float:
    """The longest time limit of any step of this machine's styles."""
    folders = [BUILTIN, settings.styles_dir] if settings.styles_dir else [BUILTIN]
    recipes = [style.recipe for style in StyleShelf(*folders).all().values() if style.recipe]
    rungs = (rung for recipe in recipes for step in recipe["steps"] for rung in rungs_of(step))
    return max((rung.timeout_s for rung in rungs), default=0.0)


def _once_then(first: Any, later: Callable[[], None]) -> Callable[[int, FrameType | None], None]:
    heard: list[int] = []

    def handle(signum: int, frame: FrameType | None) -> None:
        heard.append(signum)
        if len(heard) == 1:
            first(signum, frame)
        else:
            later()

    return handle


if __name__ == "__main__":
    sys.exit(main())
