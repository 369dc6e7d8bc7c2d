"""The file of a backup: a plain tar that begins with a note of what it is and ends with a manifest that proves it.

Everything is streamed; nothing is held in memory but the manifest. Knows no database and no settings.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from jobs.errors import BackupError

FORMAT = 1
HEADER = "photo-farm-backup.json"
MANIFEST = "manifest.json"
MANIFEST_SUM = "manifest.sha256"
PARTIAL = ".part"
MAX_NOTE_BYTES = 1_000_000_000
NOT_WHOLE = "{path} is damaged or not whole: {why}. Nothing was restored."
NOT_A_BACKUP = "{path} is not a backup of a photo farm."


@dataclass(frozen=True)
class Header:
    """What stands first in the file: enough to refuse it before the rest is read."""

    database: str
    """`sqlite` or `postgresql`: a backup goes back into the kind of database that it came from."""
    revision: str
    created_at: str
    format: int = FORMAT


@dataclass
class Manifest:
    """What stands last: every member with its hash, and what whoever restores has to know."""

    sha256: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    """Rows of each table, and under `files` the files."""
    tables: list[dict[str, Any]] = field(default_factory=list)
    """PostgreSQL only: name, columns and last number given of each table, in the order in which they can be filled."""
    deleted: list[str] = field(default_factory=list)
    """Order ids that were deleted while the backup was taken: their files are not in it, and they end deleted."""
    missing: list[str] = field(default_factory=list)
    """Files that rows name and that were not on disk although nobody had deleted them."""
    secret_key_from_settings: bool = False


class ArchiveWriter:
    """Adds members to a backup, each with its hash."""

    def __init__(self, tar: tarfile.TarFile, manifest: Manifest) -> None:
        self._tar = tar
        self.manifest = manifest

    def add(self, name: str, file: IO[bytes]) -> None:
        """Add all that `file` holds from its beginning on."""
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        reader = _Hashing(file)
        self._put(name, size, reader)
        self.manifest.sha256[name] = reader.digest.hexdigest()

    def note(self, name: str, document: Any) -> bytes:
        """Add a JSON document by which the rest is judged; its bytes."""
        data = json.dumps(document, ensure_ascii=False).encode()
        self.note_bytes(name, data)
        return data

    def note_bytes(self, name: str, data: bytes) -> None:
        """Add bytes by which the rest is judged."""
        self._put(name, len(data), io.BytesIO(data))

    def _put(self, name: str, size: int, file: Any) -> None:
        entry = tarfile.TarInfo(name)
        entry.size = size
        entry.mode = 0o600
        self._tar.addfile(entry, file)
        self._tar.members = []  # type: ignore[attr-defined]  # tarfile would keep every entry; a farm has many


@contextmanager
def write_archive(path: Path, header: Header) -> Iterator[ArchiveWriter]:
    """Write a backup: it is at `path` once the block has ended well, and not at all otherwise. Raises BackupError."""
    if path.exists():
        raise BackupError(f"{path} exists already; name a new file.")
    partial = path.with_name(path.name + PARTIAL)
    try:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as exc:
        raise BackupError(f"{path} cannot be written: {exc.strerror}.") from exc
    with os.fdopen(descriptor, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise BackupError(f"Another backup is being written to {path}.") from exc
        try:
            os.fchmod(file.fileno(), 0o600)
            file.truncate(0)
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                writer = ArchiveWriter(tar, Manifest())
                first = writer.note(HEADER, asdict(header))
                writer.manifest.sha256[HEADER] = hashlib.sha256(first).hexdigest()
                yield writer
                proof = writer.note(MANIFEST, asdict(writer.manifest))
                writer.note_bytes(MANIFEST_SUM, hashlib.sha256(proof).hexdigest().encode())
            file.flush()
            os.fsync(file.fileno())
            partial.rename(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class ArchiveReader:
    """Reads a backup once, from its beginning to its end."""

    def __init__(self, path: Path) -> None:
        """Raises BackupError when there is no backup at `path`, or one of a newer kind."""
        self._path = path
        self._found: dict[str, str] = {}
        try:
            self._file = path.open("rb")
        except OSError as exc:
            raise BackupError(f"{path} cannot be read: {exc.strerror}.") from exc
        try:
            self.header = self._read_header()
        except BaseException:
            self._file.close()
            raise

    def unpack(self, target_of: Callable[[str], Path]) -> Manifest:
        """Write every member to the file that `target_of(name)` says, check all hashes; the manifest.

        Raises BackupError when anything is not as it was written. What lies at the targets is then worth nothing.
        """
        manifest, proof = None, None
        try:
            while (entry := self._tar.next()) is not None:
                self._tar.members = []  # type: ignore[attr-defined]  # the same
                if entry.name == MANIFEST:
                    data = self._read(entry)
                    proof = hashlib.sha256(data).hexdigest()
                    manifest = data
                elif entry.name == MANIFEST_SUM:
                    if self._read(entry).decode("ascii", "replace") != proof:
                        raise self._damaged("its manifest was changed")
                    proof = ""
                else:
                    self._unpack_one(entry, target_of(entry.name))
        except (tarfile.TarError, EOFError) as exc:
            raise self._damaged(f"reading stopped ({exc})") from exc
        if manifest is None or proof != "":
            raise self._damaged("its end is missing")
        checked = Manifest(**json.loads(manifest))
        if checked.sha256 != self._found:
            wrong = sorted(checked.sha256.items() ^ self._found.items())
            raise self._damaged(f"{wrong[0][0]} is not as it was written")
        return checked

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _unpack_one(self, entry: tarfile.TarInfo, target: Path) -> None:
        source = self._tar.extractfile(entry) if entry.isreg() else None
        if source is None or entry.name in self._found:
            raise self._damaged(f"unexpected entry {entry.name!r}")
        digest = hashlib.sha256()
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            while data := source.read(1 << 20):
                digest.update(data)
                file.write(data)
        self._found[entry.name] = digest.hexdigest()

    def _read_header(self) -> Header:
        try:
            self._tar = tarfile.open(fileobj=self._file, mode="r:")
            entry = self._tar.next()
            if entry is None or entry.name != HEADER:
                raise BackupError(NOT_A_BACKUP.format(path=self._path))
            data = self._read(entry)
            document = json.loads(data)
            if document["format"] != FORMAT:
                raise BackupError(
                    f"{self._path} was made by another version of the farm; its format is not known here."
                )
            self._found[HEADER] = hashlib.sha256(data).hexdigest()
            return Header(**document)
        except (tarfile.TarError, ValueError, TypeError, KeyError) as exc:
            raise BackupError(NOT_A_BACKUP.format(path=self._path)) from exc

    def _read(self, entry: tarfile.TarInfo) -> bytes:
        source = self._tar.extractfile(entry) if entry.isreg() and entry.size <= MAX_NOTE_BYTES else None
        if source is None:
            raise self._damaged(f"unexpected entry {entry.name!r}")
        return source.read()

    def _damaged(self, why: str) -> BackupError:
        return BackupError(NOT_WHOLE.format(path=self._path, why=why))


class _Hashing:
    """A file that remembers the hash of what was read from it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data
