"""Puts a backup back into an empty DATA_DIR and an empty database. All of it, or nothing."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from jobs.backup.restoring import Restored, restore_backup
from jobs.errors import FarmError
from jobs.farm import Farm
from jobs.settings import Settings


def main() -> int:
    """Restore, and say what was put back."""
    parser = argparse.ArgumentParser(prog="restore", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="what ./scripts/backup wrote")
    parser.add_argument("--relative-to", type=Path, default=Path(), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    source = arguments.relative_to / arguments.file
    os.umask(0o077)
    try:
        settings = Settings.load()
        farm = Farm(settings)
        try:
            restored = restore_backup(settings, farm.database, source)
            for order_id in restored.deleted:
                farm.interventions.delete_order(order_id, actor="restore")
        finally:
            farm.close()
    except FarmError as exc:
        print(exc, file=sys.stderr)
        return 1
    except OSError as exc:
        print(f"The restore stopped: {exc.strerror} ({exc.filename or source}).", file=sys.stderr)
        return 1
    report(restored, settings)
    return 0


def report(restored: Restored, settings: Settings) -> None:
    """What was put back, and what is to be known before the farm is started."""
    print(f"Restored into {settings.data_dir.resolve()} what was saved at {restored.created_at}:")
    print(f"  {restored.rows} rows, {restored.files} photos and pictures.")
    if restored.deleted:
        print(f"  {len(restored.deleted)} orders were deleted while the backup was taken; they are deleted here too.")
    if restored.missing:
        print(f"  {len(restored.missing)} files were missing already when the backup was taken.")
    if restored.needs_secret_key:
        print("  SECRET_KEY was set there and is not set here: guests' links go on working only with the same one.")
    print("Start the farm; what was being made is looked up at its server, or made again.")


if __name__ == "__main__":
    sys.exit(main())
