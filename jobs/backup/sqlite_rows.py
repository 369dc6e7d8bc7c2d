"""Rows of SQLite: a compacted copy of the file, made in one reading transaction while others write.

VACUUM INTO leaves out the pages of what was deleted, so a deleted guest is not in the copy.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.backup.archive import ArchiveWriter, Manifest
from jobs.backup.rows import FILES_QUERY, Snapshot
from jobs.database import Base, Database
from jobs.errors import BackupError

MEMBER = "database/farm.sqlite3"
BUSY_SECONDS = 30.0


class _SqliteSnapshot:
    def __init__(self, copy: Path) -> None:
        self._copy = copy
        self.bytes = copy.stat().st_size
        with _open_sqlite(copy) as connection:
            self.revision: str | None = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
            self.files: list[tuple[str, str]] = connection.execute(FILES_QUERY).fetchall()
            self._counts = {
                name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608  our own names
                for name in Base.metadata.tables
            }

    def add_to(self, archive: ArchiveWriter) -> None:
        with self._copy.open("rb") as file:
            archive.add(MEMBER, file)
        archive.manifest.counts |= self._counts


class SqliteRows:
    """A database that is one file."""

    kind = "sqlite"

    def __init__(self, database: Database) -> None:
        self.path = Path(database.url.removeprefix("sqlite:///"))

    @contextmanager
    def snapshot(self, folder: Path) -> Iterator[Snapshot]:
        if not self.path.is_file():
            raise BackupError(f"There is no database at {self.path}.")
        descriptor, name = tempfile.mkstemp(prefix=".farm-backup-", suffix=".sqlite3", dir=folder)  # mode 0600
        os.close(descriptor)
        try:
            try:
                with _open_sqlite(self.path) as connection:
                    connection.execute("VACUUM INTO ?", [name])
                taken = _SqliteSnapshot(Path(name))
            except sqlite3.Error as exc:
                raise BackupError(f"The database cannot be copied: {exc}.") from exc
            yield taken
        finally:
            Path(name).unlink(missing_ok=True)

    def check_empty(self) -> None:
        if self.path.exists():
            raise BackupError(f"{self.path} exists already; restore into an empty place.")

    def put_back(self, folder: Path, manifest: Manifest, revision: str, before_commit: Callable[[], None]) -> None:
        source = folder / MEMBER
        with _open_sqlite(source) as connection:
            verdict = connection.execute("PRAGMA quick_check").fetchone()[0]
        if verdict != "ok":
            raise BackupError(f"The database in the backup is damaged: {verdict}. Nothing was restored.")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_name(f".{self.path.name}.restoring")
        try:
            try:
                os.link(source, beside)
            except OSError:  # another disk
                shutil.copyfile(source, beside)
                beside.chmod(0o600)
            os.sync()  # once for all files that were unpacked, instead of once for each
            before_commit()
            os.link(beside, self.path)  # fails if somebody made a database there meanwhile
        except FileExistsError as exc:
            raise BackupError(
                f"{self.path} appeared meanwhile: stop the farm that made it, and empty its data."
            ) from exc
        finally:
            beside.unlink(missing_ok=True)
        os.sync()


@contextmanager
def _open_sqlite(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()
