"""The farm's database as the nemesis sees it: SQLite, whose write lock can be held, or a PostgreSQL that can stop."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import psutil

from scripts.benching.postgres import empty_database, postgres_server

LOCK_SECONDS = 2.0
CRASH_SECONDS = 5.0


class Store(Protocol):
    """A database that can be healed."""

    url: str

    def heal(self) -> None:
        """Let it serve again, whatever was done to it."""


class SqliteStore:
    """One file, one writer at a time."""

    def __init__(self, file: Path) -> None:
        self.url = f"sqlite:///{file}"
        self._file = file
        self._holder: sqlite3.Connection | None = None

    def lock(self) -> None:
        """Take the write lock. Raises sqlite3.OperationalError when the farm does not let go of it in time."""
        holder = sqlite3.connect(self._file, timeout=LOCK_SECONDS, isolation_level=None)
        try:
            holder.execute("BEGIN IMMEDIATE")
        except sqlite3.Error:
            holder.close()
            raise
        self._holder = holder

    def heal(self) -> None:
        """Let go of the lock."""
        if self._holder is not None:
            self._holder.close()  # rolls back
            self._holder = None


class PostgresStore:
    """A server of ours."""

    def __init__(self, server: Any, url: str) -> None:
        self.url = url
        self._server = server

    @property
    def pid(self) -> int:
        return int(self._server.get_pid() or 0)

    def stop(self) -> None:
        """End it as an administrator does: connections are cut, what was committed is written."""
        self._server.stop()

    def crash(self) -> None:
        """End it at once, as a power cut does: it recovers from its log at the next start."""
        process = psutil.Process(self.pid)
        process.send_signal(signal.SIGQUIT)
        process.wait(CRASH_SECONDS)

    def heal(self) -> None:
        """Start it unless it runs."""
        self._server.ensure_postgres_running()


@contextmanager
def postgres_store() -> Iterator[PostgresStore]:
    """A server with one empty database; both are gone afterwards."""
    with postgres_server() as server, empty_database(server.get_uri()) as url:
        store = PostgresStore(server, url)
        try:
            yield store
        finally:
            store.heal()
