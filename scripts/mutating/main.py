"""`./scripts/mutants`: each mutant in a copy of its own, its tests, a table. Exit 0 when every mutant was noticed."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from scripts.mutating.mutants import MUTANTS, Mutant, apply

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("jobs", "web", "scripts", "tests", "worker_configs", "migrations", "docs")
PATIENCE_SECONDS = 400.0
WIDTH = 150
SHOWN = 2
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)(?: - (.*))?$", re.MULTILINE)
ALL_PASSED, SOME_FAILED = 0, 1


@dataclass(frozen=True)
class Outcome:
    """What a mutant's tests said."""

    mutant: Mutant
    noticed: bool
    by: str
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="./scripts/mutants", description="Takes the farm's mechanisms out one by one; the tests must notice each."
    )
    parser.add_argument("--only", action="append", choices=[mutant.name for mutant in MUTANTS], help="one; repeat it")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    outcomes = []
    for mutant in MUTANTS:
        if options.only and mutant.name not in options.only:
            continue
        outcome = _try(mutant)
        console.print(f"{mutant.name}: {_word(outcome)} ({outcome.seconds:.0f} s)")
        outcomes.append(outcome)
    table = Table("mutant", "invariants", "", "noticed by", title="Mutants")
    for outcome in outcomes:
        table.add_row(outcome.mutant.name, outcome.mutant.invariants, _word(outcome), outcome.by)
    console.print(table)
    survivors = sum(not outcome.noticed for outcome in outcomes)
    console.print(f"{len(outcomes)} mutants, {survivors} not noticed")
    return 1 if survivors else 0


def _word(outcome: Outcome) -> str:
    return "[red]red[/]" if outcome.noticed else "[bold]NOT NOTICED[/]"


def _try(mutant: Mutant) -> Outcome:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder)
        _copy_tree(copy)
        try:
            apply(mutant, copy)
        except ValueError as error:
            return Outcome(mutant, False, str(error), 0.0)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *mutant.tests]
        try:
            done = subprocess.run(
                command, cwd=copy, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return Outcome(mutant, True, f"no end within {PATIENCE_SECONDS:.0f} s", time.monotonic() - begun)
        finally:
            _end_strays(copy)
    failed = FAILED.findall(done.stdout)
    noticed = done.returncode == SOME_FAILED and bool(failed)
    if noticed:
        by = "\n".join(f"{name}: {why[:90]}" for name, why in failed[:SHOWN])
        by += f"\n… and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
    elif done.returncode == ALL_PASSED:
        by = "all its tests passed"
    else:
        by = f"pytest ended with {done.returncode}: {(done.stdout + done.stderr).strip().splitlines()[-1:]}"
    return Outcome(mutant, noticed, by, time.monotonic() - begun)


def _end_strays(copy: Path) -> None:
    """Processes that a mutant let outlive their parents: they run in its copy, and in no other folder."""
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(copy):
                process.kill()
        except psutil.Error:
            continue  # it has ended, or is nobody of ours


def _copy_tree(target: Path) -> None:
    for name in COPIED:
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy2(path, target / path.name)


if __name__ == "__main__":
    sys.exit(main())
