"""The disk below DATA_DIR: a small one of our own where we may mount one, so that full means full."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE_MB = 600
SMALL_RESERVE_MB = 5
LEFT_BYTES = 64 * 1024
"""What a full small disk still has: less than one photo."""
TRIES = 6
HEADROOM_MB = 500
"""Without a disk of our own: how far the reserve lies below what is free, which others use too."""
MB = 1_000_000


class Disk:
    """A folder and what fills the disk below it."""

    def __init__(self, folder: Path, *, is_ours: bool) -> None:
        self.folder = folder
        self.is_ours = is_ours
        self._ballast = folder.parent / "ballast" if not is_ours else folder / "ballast"
        free_mb = shutil.disk_usage(folder).free // MB
        self.reserve_mb = SMALL_RESERVE_MB if is_ours else max(1, free_mb - HEADROOM_MB)

    def fill(self) -> None:
        """Leave no room: on a disk of ours none at all, else less than the farm's reserve."""
        descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT)
        left = LEFT_BYTES if self.is_ours else (self.reserve_mb - HEADROOM_MB // 5) * MB
        try:
            for _ in range(TRIES):
                try:
                    os.posix_fallocate(descriptor, 0, max(1, shutil.disk_usage(self.folder).free - left))
                    return
                except OSError:  # the farm wrote meanwhile
                    left *= 2
        finally:
            os.close(descriptor)

    def clear(self) -> None:
        """There is room again."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """A disk of SIZE_MB at this folder if we may mount one, else the folder as it is. What lies there stays there."""
    folder.mkdir(parents=True)
    if not _mount(folder):
        disk = Disk(folder, is_ours=False)
        try:
            yield disk
        finally:
            disk.clear()
        return
    disk = Disk(folder, is_ours=True)
    try:
        yield disk
    finally:
        disk.clear()
        kept = folder.with_name(f"{folder.name}.kept")
        shutil.copytree(folder, kept)
        _run("umount", "--lazy", str(folder))
        folder.rmdir()
        kept.rename(folder)


def _mount(folder: Path) -> bool:
    return os.geteuid() == 0 and _run("mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=0755", "storm", str(folder))


def _run(program: str, *arguments: str) -> bool:
    path = shutil.which(program)
    return path is not None and subprocess.run([path, *arguments], capture_output=True, check=False).returncode == 0
