"""Keys for the booths of a rush: made and revoked by the farm's own `scripts/booth-key`, on the farm's machine."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BOOTH_KEY = Path(__file__).resolve().parents[1] / "booth-key"
PATIENCE_SECONDS = 60


class NoKey(Exception):
    """A booth's key could not be made."""


def run_booth_key(*arguments: str) -> str:
    """What booth-key prints. Raises NoKey with its last line of complaint."""
    try:
        done = subprocess.run(
            [str(BOOTH_KEY), *arguments],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            cwd=BOOTH_KEY.parent.parent,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoKey(f"scripts/booth-key did not run: {error}") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise NoKey(f"scripts/booth-key {' '.join(arguments)}: {lines[-1]}")
    return done.stdout.strip()


@contextmanager
def made_keys(run_id: str, booths: int) -> Iterator[list[str]]:
    """One fresh key for each booth; all of them end with the block."""
    names: list[str] = []
    keys: list[str] = []
    try:
        for number in range(1, booths + 1):
            name = f"rush-{number}-{run_id}"
            names.append(name)
            keys.append(run_booth_key(name))
        yield keys
    finally:
        for name in names[: len(keys)]:
            try:
                run_booth_key("--revoke", name)
            except NoKey as error:
                print(f"The key of {name} was not revoked: {error}")
