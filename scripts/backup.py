"""Writes database, photos, pictures and the farm's own secrets to one file while the farm runs.

Exit status: 0 all well, 1 nothing was written, 3 written, but files were missing already.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from jobs.backup.taking import take_backup
from jobs.database import Database
from jobs.errors import FarmError
from jobs.settings import Settings

SHOWN = 5


def main() -> int:
    """Take the backup and say what is in it."""
    parser = argparse.ArgumentParser(prog="backup", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="a new file; it holds guests' photos and secrets")
    parser.add_argument("--relative-to", type=Path, default=Path(), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    target = arguments.relative_to / arguments.file
    os.umask(0o077)
    try:
        settings = Settings.load()
        database = Database(settings.database)
        try:
            taken = take_backup(settings, database, target)
        finally:
            database.dispose()
    except FarmError as exc:
        print(exc, file=sys.stderr)
        return 1
    except OSError as exc:
        print(f"The backup stopped: {exc.strerror} ({exc.filename or target}). Nothing was written.", file=sys.stderr)
        return 1
    print(f"{target}: {taken.rows} rows, {taken.files} photos and pictures, {taken.bytes / 1e6:.1f} MB.")
    if taken.deleted:
        print(f"{taken.deleted} orders were deleted meanwhile; they are deleted in the backup too.")
    if taken.missing:
        shown = ", ".join(taken.missing[:SHOWN])
        print(f"{len(taken.missing)} files were missing in DATA_DIR and so are here: {shown}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
