"""Taking a backup while the farm runs: rows of one moment first, then the files that those rows name.

Photos and pictures are never changed, only deleted. So whatever a row of the snapshot names was there at that moment;
what is gone by the time it is copied belongs to an order that was deleted meanwhile, or was lost before.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

import jobs.access.models
import jobs.cloud.models
import jobs.comfyui.models
import jobs.erasure.models  # noqa: F401  every table must be known
from jobs.backup.archive import ArchiveWriter, Header, write_archive
from jobs.backup.postgres_rows import PostgresRows
from jobs.backup.rows import Rows, Snapshot
from jobs.backup.sqlite_rows import SqliteRows
from jobs.database import Database
from jobs.database.migrate import list_revisions
from jobs.errors import BackupError
from jobs.media.storage import DiskStorage
from jobs.orders.models import Image, Order, Photo
from jobs.settings import Settings

ENTRY_BYTES = 1_024
"""What tar adds to each file, at most."""
SECRETS = "secrets"


@dataclass(frozen=True)
class Taken:
    """What went into a backup."""

    rows: int
    files: int
    bytes: int
    deleted: int
    """Orders that were deleted while it was taken."""
    missing: list[str]
    """Files that rows name and that are not on disk although nobody deleted them."""


def take_backup(settings: Settings, database: Database, target: Path) -> Taken:
    """Write everything to `target`; it is there whole or not at all. Raises BackupError, DatabaseAway, OSError."""
    storage = DiskStorage(settings.data_dir / "files", reserve_mb=settings.disk_reserve_mb)
    rows = rows_of(database)
    if not target.parent.is_dir():
        raise BackupError(f"There is no folder {target.parent}.")
    with rows.snapshot(target.parent) as snapshot:
        if snapshot.revision not in list_revisions()[:1]:
            raise BackupError(
                f"The database is at revision {snapshot.revision}, this code needs {list_revisions()[0]}: "
                "start the web tier of this version once, or use the version that runs."
            )
        secrets = sorted(path for path in (settings.data_dir / SECRETS).glob("*") if path.is_file())
        check_room(target.parent, snapshot.bytes + _sum_sizes(storage, snapshot), settings.disk_reserve_mb)
        header = Header(rows.kind, snapshot.revision or "", datetime.now(UTC).isoformat(timespec="seconds"))
        with write_archive(target, header) as archive:
            snapshot.add_to(archive)
            for path in secrets:
                with path.open("rb") as file:
                    archive.add(f"{SECRETS}/{path.name}", file)
            gone = list(_add_files(archive, storage, snapshot.files))
            manifest = archive.manifest
            rows_taken = sum(manifest.counts.values())
            manifest.counts["files"] = len(snapshot.files) - len(gone)
            manifest.secret_key_from_settings = settings.secret_key is not None
            manifest.deleted = sorted({order_id for _, order_id in gone if database.read(is_deleted, order_id)})
            manifest.missing = [
                path for path, order_id in gone if order_id not in manifest.deleted and database.read(names_file, path)
            ]
    return Taken(
        rows_taken, manifest.counts["files"], target.stat().st_size, len(manifest.deleted), sorted(manifest.missing)
    )


def rows_of(database: Database) -> Rows:
    """The way to snapshot and refill this kind of database."""
    return SqliteRows(database) if database.is_sqlite else PostgresRows(database)


def check_room(folder: Path, needed_bytes: int, reserve_mb: int) -> None:
    """Raise BackupError when the disk has no room for so much above the reserve."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes + reserve_mb * 1_000_000:
        raise BackupError(
            f"{folder} has no room: {needed_bytes / 1e6:.0f} MB are needed and {reserve_mb} MB stay in reserve "
            f"(DISK_RESERVE_MB), {free / 1e6:.0f} MB are free."
        )


def is_deleted(session: Session, order_id: str) -> bool:
    """Has this order been deleted?"""
    found = session.scalar(select(Order.id).where(Order.order_id == order_id, Order.deleted_at.is_(None)))
    return found is None


def names_file(session: Session, path: str) -> bool:
    """Does any row still name this file?"""
    if session.scalar(select(Photo.id).where(Photo.path == path).limit(1)) is not None:
        return True
    pictures = select(Image.id).where(or_(Image.path == path, Image.thumbnail_path == path))
    return session.scalar(pictures.limit(1)) is not None


def _sum_sizes(storage: DiskStorage, snapshot: Snapshot) -> int:
    total = 0
    for path, _ in snapshot.files:
        try:
            total += storage.locate(path).stat().st_size + ENTRY_BYTES
        except FileNotFoundError:
            continue
    return total


def _add_files(archive: ArchiveWriter, storage: DiskStorage, files: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Add the files; those that are not there."""
    for path, order_id in files:
        try:
            file = storage.locate(path).open("rb")
        except FileNotFoundError:
            yield path, order_id
            continue
        with file:
            archive.add(f"files/{path}", file)
