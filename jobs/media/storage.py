"""Where bytes of photos and pictures live: files below DATA_DIR under random names of our own making.

A file is there whole or not at all: temporary name, fsync, rename, fsync of the folder.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from jobs.errors import StorageFull

FOLDERS = ("photos", "images")
PARTIAL = ".part"


class DiskStorage:
    """Files below a root folder. Paths handed out and taken are relative to it."""

    def __init__(self, root: Path, *, reserve_mb: int) -> None:
        self.root = root.resolve()
        self.reserve_mb = reserve_mb

    def check_room(self) -> None:
        """Raise StorageFull when the disk is below its reserve."""
        if self.count_free_mb() < self.reserve_mb:
            raise StorageFull(retry_after=60)

    def count_free_mb(self) -> int:
        """What the disk still takes, in MB."""
        self.root.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(self.root).free // 1_000_000

    def write(self, folder: str, data: bytes, *, label: str = "", order_id: int | None = None) -> str:
        """Store a JPEG; returns its path. `label` becomes part of the name. Raises OSError; leaves no torn file.

        `order_id`: the row of the order that it belongs to, so that it is found even if no row ever names it.
        """
        name = uuid.uuid4().hex
        start = f"{name[:2]}/{name}" if order_id is None else f"{_shelf_of(order_id)}-{name}"
        relative = f"{folder}/{start}{label}.jpg"
        target = self.root / relative
        self._make_folder(target.parent)
        partial = target.with_name(target.name + PARTIAL)
        try:
            with partial.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(target)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)
        return relative

    def read(self, path: str) -> bytes:
        """The bytes of a file. Raises FileNotFoundError."""
        return self.locate(path).read_bytes()

    def locate(self, path: str) -> Path:
        """The file behind a path that we handed out."""
        target = (self.root / path).resolve()
        if not target.is_relative_to(self.root):
            raise ValueError("a path outside the storage")
        return target

    def delete(self, path: str) -> None:
        """Remove a file; one that is gone already is fine."""
        self.locate(path).unlink(missing_ok=True)

    def list_of_order(self, order_id: int) -> list[str]:
        """Paths of all files that were written as this order's, half-written ones too."""
        start = _shelf_of(order_id)
        found = (file for folder in FOLDERS for file in (self.root / folder).glob(f"{start}-*"))
        return [str(file.relative_to(self.root)) for file in found]

    def list_older_than(self, seconds: float) -> Iterator[str]:
        """Paths of all files, half-written ones too, that nobody touched for so long."""
        horizon = time.time() - seconds
        for folder in FOLDERS:
            for file in (self.root / folder).glob("*/*"):
                try:
                    if file.stat().st_mtime < horizon:
                        yield str(file.relative_to(self.root))
                except FileNotFoundError:
                    continue

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        folder.mkdir(parents=True, exist_ok=True)
        _sync_folder(folder.parent)
        _sync_folder(folder.parent.parent)


def _shelf_of(order_id: int) -> str:
    """Folder and beginning of the name of an order's files: finding them is reading one folder of 256."""
    return f"{order_id % 256:02x}/{order_id}"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
