"""Creates a booth's key and prints it, once: `./scripts/booth-key NAME [--rotate | --revoke]`."""

from __future__ import annotations

import argparse
import sys

from jobs.database import Database
from jobs.database.migrate import migrate
from jobs.errors import FarmError
from jobs.settings import Settings
from jobs.switches.booths import BoothSwitches

ACTOR = "command line"


def main() -> int:
    """Make, rotate or revoke."""
    parser = argparse.ArgumentParser(prog="booth-key", description=__doc__)
    parser.add_argument("name", help="the booth's name: letters, digits, - and _")
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--rotate", action="store_true", help="give the booth a new key; the old one ends at once")
    change.add_argument("--revoke", action="store_true", help="end the booth's key at once")
    arguments = parser.parse_args()
    try:
        database = Database(Settings.load().database)
        migrate(database)
        key = change_key(database, arguments.name, rotate=arguments.rotate, revoke=arguments.revoke)
        database.dispose()
    except FarmError as exc:
        print(exc, file=sys.stderr)
        return 1
    if key is not None:
        print(key)
    return 0


def change_key(database: Database, name: str, *, rotate: bool, revoke: bool) -> str | None:
    """Carry out what was asked, with its audit; returns the new key if there is one."""
    booths = BoothSwitches(database)
    if revoke:
        booths.revoke(name, actor=ACTOR)
        return None
    return booths.rotate(name, actor=ACTOR) if rotate else booths.add(name, actor=ACTOR)


if __name__ == "__main__":
    sys.exit(main())
