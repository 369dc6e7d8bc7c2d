"""Restoring a backup into an empty DATA_DIR and an empty database.

Everything is unpacked beside its place and checked against the manifest before anything is put where a farm looks.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from jobs.backup.archive import ArchiveReader, Manifest
from jobs.backup.taking import SECRETS, check_room, rows_of
from jobs.database import Database
from jobs.database.migrate import list_revisions, migrate
from jobs.errors import BackupError
from jobs.settings import Settings

STAGING = ".restoring"
FILES = "files"
IGNORED = frozenset({STAGING, "lost+found"})
"""What may lie in an empty DATA_DIR: what an interrupted restore left, and what a file system of its own has."""
MEMBER_NAMES = re.compile(
    r"database/[a-z0-9_]+\.(sqlite3|copy)|secrets/[a-z0-9_]+|files/(photos|images)/[0-9a-f]{2}/[0-9a-z-]+\.jpg"
)


@dataclass(frozen=True)
class Restored:
    """What was put back."""

    created_at: str
    """When the backup was taken."""
    rows: int
    files: int
    deleted: list[str]
    """Orders to delete now: they were deleted while the backup was taken, and their files are not in it."""
    missing: list[str]
    needs_secret_key: bool
    """The farm had its SECRET_KEY from its settings: links go on working only with the same one."""


def restore_backup(settings: Settings, database: Database, source: Path) -> Restored:
    """Put everything back and migrate to this code's revision; all of it, or nothing. Raises BackupError, OSError."""
    rows = rows_of(database)
    archive = ArchiveReader(source)
    try:
        header = archive.header
        if header.database != rows.kind:
            raise BackupError(
                f"{source} holds a {header.database} database, DATABASE_URL names {rows.kind}; they must be alike."
            )
        if header.revision not in list_revisions():
            raise BackupError(
                f"{source} was made by a newer version of the farm (revision {header.revision}); restore it with that."
            )
        _check_empty(settings.data_dir)
        rows.check_empty()
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        check_room(settings.data_dir, source.stat().st_size, settings.disk_reserve_mb)
        staging = settings.data_dir / STAGING
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700)
        placed: list[Path] = []
        try:
            manifest = archive.unpack(lambda name: _target_of(name, staging, source))
            rows.put_back(staging, manifest, header.revision, lambda: _put_in_place(staging, placed))
        except BaseException:
            for folder in placed:
                shutil.rmtree(folder)
            raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    finally:
        archive.close()
    migrate(database)
    return _sum_up(manifest, header.created_at, settings)


def _check_empty(data_dir: Path) -> None:
    if data_dir.exists() and (found := sorted({path.name for path in data_dir.iterdir()} - IGNORED)):
        raise BackupError(f"{data_dir} is not empty ({found[0]}): stop the farm, and restore into an empty DATA_DIR.")


def _target_of(name: str, staging: Path, source: Path) -> Path:
    if not MEMBER_NAMES.fullmatch(name):
        raise BackupError(f"{source} is damaged or not whole: unexpected entry {name!r}. Nothing was restored.")
    return staging / name


def _put_in_place(staging: Path, placed: list[Path]) -> None:
    for name in (FILES, SECRETS):
        place = staging.parent / name
        if place.exists():
            raise BackupError(f"{place} appeared meanwhile: stop the farm that made it, and empty its data.")
        if (staging / name).is_dir():
            (staging / name).rename(place)
            placed.append(place)


def _sum_up(manifest: Manifest, created_at: str, settings: Settings) -> Restored:
    counts = dict(manifest.counts)
    files = counts.pop("files", 0)
    return Restored(
        created_at,
        sum(counts.values()),
        files,
        manifest.deleted,
        manifest.missing,
        needs_secret_key=manifest.secret_key_from_settings and settings.secret_key is None,
    )
