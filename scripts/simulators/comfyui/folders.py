"""The input, output and temp folders of a stand-in, in memory: the part of a server that a restart leaves alone.

Names are resolved as a file system would, but nothing on this machine's disk is ever read or written.
"""

import mimetypes
import posixpath
import re
import threading
import time

from scripts.simulators.pictures import Photo

KINDS = ("input", "output", "temp")
LONGEST_NAME_BYTES = 255  # of one path component, as on ext4
ROOT = "/simulated/ComfyUI"  # appears in error messages only, where a real server shows its own folders


class Outside(ValueError):
    """The name leads out of its folder."""


def inside(subfolder: str, name: str) -> str:
    """The path below a folder; raises Outside when it would leave it."""
    path = posixpath.normpath(posixpath.join("/", "top", subfolder, name))
    if not path.startswith("/top/"):
        raise Outside(path)
    return path.removeprefix("/top/")


class Folders:
    """Files by kind and path. May be used from any thread."""

    def __init__(self) -> None:
        self._files: dict[str, dict[str, Photo]] = {kind: {} for kind in KINDS}
        self._written_at: dict[tuple[str, str], float] = {}
        self._made: dict[str, set[str]] = {kind: set() for kind in KINDS}
        self._lock = threading.RLock()

    def get(self, kind: str, path: str) -> Photo | None:
        with self._lock:
            return self._files[kind].get(path)

    def has_folder(self, kind: str, path: str) -> bool:
        with self._lock:
            return path in ("", ".") or path in self._made[kind]

    def make_folder(self, kind: str, path: str) -> None:
        with self._lock:
            while path not in ("", "."):
                self._made[kind].add(path)
                path = posixpath.dirname(path)

    def put(self, kind: str, path: str, data: bytes) -> None:
        """Writes a file whose folder exists; OSError where a real disk would refuse."""
        folder, name = posixpath.split(path)
        if len(name.encode()) > LONGEST_NAME_BYTES:
            raise OSError(36, "File name too long", path)
        if not self.has_folder(kind, folder):
            raise FileNotFoundError(2, "No such file or directory", f"{ROOT}/{kind}/{path}")
        with self._lock:
            self._files[kind][path] = Photo(data)
            self._written_at[kind, path] = time.time()

    def put_new(self, kind: str, path: str, data: bytes) -> str:
        """Writes under this name or the next free `name (1)`; a file with the same bytes is left and named."""
        with self._lock:
            stem, extension = posixpath.splitext(path)
            candidate, count = path, 0
            while (present := self.get(kind, candidate)) is not None:
                if present.data == data:
                    return candidate
                count += 1
                candidate = f"{stem} ({count}){extension}"
            self.put(kind, candidate, data)
            return candidate

    def save_numbered(self, kind: str, prefix: str, data: bytes) -> tuple[str, str]:
        """Writes `prefix_00001_.png`, with the highest number there is plus one; (file name, subfolder)."""
        subfolder, stem = posixpath.split(posixpath.normpath(prefix))
        counted = re.compile(re.escape(stem) + r"_(\d+)_")
        with self._lock:
            self.make_folder(kind, subfolder)
            numbers = [
                int(match[1])
                for path in self._files[kind]
                if posixpath.dirname(path) == subfolder and (match := counted.match(posixpath.basename(path)))
            ]
            name = f"{stem}_{max(numbers, default=0) + 1:05}_.png"
            self.put(kind, posixpath.join(subfolder, name), data)
        return name, subfolder

    def delete(self, kind: str, path: str) -> bool:
        with self._lock:
            self._written_at.pop((kind, path), None)
            return self._files[kind].pop(path, None) is not None

    def written(self, kind: str) -> dict[str, float]:
        """Every path with the moment of its last writing, in seconds of the epoch."""
        with self._lock:
            return {path: self._written_at[kind, path] for path in self._files[kind]}

    def listed(self, kind: str) -> dict[str, int]:
        """Every path with its size in bytes."""
        with self._lock:
            return {path: len(photo.data) for path, photo in sorted(self._files[kind].items())}

    def top_images(self, kind: str) -> list[str]:
        """The files directly in the folder that are called like images, as a loader node lists them."""
        with self._lock:
            names = sorted(path for path in self._files[kind] if "/" not in path)
        return [name for name in names if (mimetypes.guess_type(name)[0] or "").startswith("image/")]

    def wipe(self, kind: str) -> None:
        with self._lock:
            self._files[kind].clear()
            self._written_at = {place: at for place, at in self._written_at.items() if place[0] != kind}
            self._made[kind].clear()

    def find_named(self, name: str) -> Photo | None:
        """The file that a LoadImage input names: below input/, or elsewhere when it ends in ` [output]`."""
        kind = "input"
        for other in KINDS:
            if name.endswith(f" [{other}]"):
                name, kind = name.removesuffix(f" [{other}]"), other
        try:
            return self.get(kind, inside("", name))
        except Outside:
            return None
