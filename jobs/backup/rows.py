"""What a backup needs of a database: a snapshot of all rows of one moment, and the way back into an empty one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from jobs.backup.archive import ArchiveWriter, Manifest

FILES_QUERY = """
SELECT p.path, o.order_id FROM photos p JOIN orders o ON o.id = p.order_id WHERE p.path IS NOT NULL
UNION ALL SELECT i.path, o.order_id FROM images i JOIN tasks t ON t.id = i.task_id JOIN orders o ON o.id = t.order_id
UNION ALL
SELECT i.thumbnail_path, o.order_id FROM images i JOIN tasks t ON t.id = i.task_id JOIN orders o ON o.id = t.order_id
"""


class Snapshot(Protocol):
    """All rows of one moment."""

    revision: str | None
    files: list[tuple[str, str]]
    """Paths of all photos and pictures that the rows name, each with its order's id."""
    bytes: int
    """Size of the rows."""

    def add_to(self, archive: ArchiveWriter) -> None:
        """Add the rows to a backup."""


class Rows(Protocol):
    """One kind of database."""

    kind: str

    def snapshot(self, folder: Path) -> AbstractContextManager[Snapshot]:
        """All rows of this moment, kept in temporary files in `folder`. Raises BackupError."""

    def check_empty(self) -> None:
        """Raise BackupError when there is anything in the database."""

    def put_back(self, folder: Path, manifest: Manifest, revision: str, before_commit: Callable[[], None]) -> None:
        """Fill the empty database from the unpacked members in `folder`; all of it, or nothing. Raises BackupError."""
