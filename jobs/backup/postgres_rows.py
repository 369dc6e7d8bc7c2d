"""Rows of PostgreSQL: every table by COPY in one REPEATABLE READ transaction, so no pg_dump of the right version is
needed; put back by COPY in an order that foreign keys allow, in one transaction with the migrations.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from jobs.backup.archive import ArchiveWriter, Manifest
from jobs.backup.rows import FILES_QUERY, Snapshot
from jobs.database import Base, Database
from jobs.database.migrate import MIGRATION_LOCK, revision_of, upgrade
from jobs.errors import BackupError

MEMBER = "database/{table}.copy"
PIECE_BYTES = 1 << 20
WITHOUT_LIMITS = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
"""Copying a season's rows, and writing them through to the disk, takes as long as it takes."""
NOT_EMPTY = "The database is not empty; restore into an empty one."


class _PostgresSnapshot:
    def __init__(self, revision: str | None) -> None:
        self.revision = revision
        self.files: list[tuple[str, str]] = []
        self.bytes = 0
        self.spool: list[tuple[str, IO[bytes]]] = []
        self.counts: dict[str, int] = {}
        self.tables: list[dict[str, Any]] = []

    def add_to(self, archive: ArchiveWriter) -> None:
        for name, file in self.spool:
            archive.add(MEMBER.format(table=name), file)
        archive.manifest.counts |= self.counts
        archive.manifest.tables = self.tables


class PostgresRows:
    """A database behind a server."""

    kind = "postgresql"

    def __init__(self, database: Database) -> None:
        self._engine = database.engine
        self._frozen = database.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @contextmanager
    def snapshot(self, folder: Path) -> Iterator[Snapshot]:
        with ExitStack() as spools:
            try:
                with self._frozen.connect() as connection, connection.begin():
                    connection.execute(text(WITHOUT_LIMITS))
                    taken = _PostgresSnapshot(revision_of(connection))
                    for table in Base.metadata.sorted_tables if taken.revision else ():
                        spool = spools.enter_context(tempfile.TemporaryFile(dir=folder))
                        _copy_out(connection, taken, table.name, [column.name for column in table.columns], spool)
                    if taken.revision:
                        taken.files = [(path, order_id) for path, order_id in connection.execute(text(FILES_QUERY))]
            except (SQLAlchemyError, psycopg.Error) as exc:
                raise BackupError(f"The database cannot be copied: {_first_line(exc)}.") from exc
            yield taken

    def check_empty(self) -> None:
        try:
            with self._engine.connect() as connection:
                if inspect(connection).get_table_names():
                    raise BackupError(NOT_EMPTY)
        except SQLAlchemyError as exc:
            raise BackupError(f"The database does not answer: {_first_line(exc)}.") from exc

    def put_back(self, folder: Path, manifest: Manifest, revision: str, before_commit: Callable[[], None]) -> None:
        try:
            with self._engine.connect() as connection, connection.begin():
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
                if inspect(connection).get_table_names():
                    raise BackupError(NOT_EMPTY)
                connection.execute(text(WITHOUT_LIMITS))
                upgrade(connection, revision)
                for table in manifest.tables:
                    _copy_in(connection, table, folder)
                os.sync()  # once for all files that were unpacked, instead of once for each
                before_commit()
        except (SQLAlchemyError, psycopg.Error) as exc:
            raise BackupError(f"The database did not take the rows: {_first_line(exc)}. Nothing was restored.") from exc


def _copy_out(
    connection: Connection, taken: _PostgresSnapshot, table: str, columns: list[str], spool: IO[bytes]
) -> None:
    taken.spool.append((table, spool))
    with _cursor_of(connection) as cursor:
        statement = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(_list(columns), sql.Identifier(table))
        with cursor.copy(statement) as copy:
            for data in copy:
                spool.write(data)
        taken.counts[table] = cursor.rowcount
        taken.bytes += spool.tell()
        last = None
        if sequence := _sequence_of(cursor, table, columns):
            cursor.execute(sql.SQL("SELECT last_value FROM {}").format(sql.SQL(sequence)))
            last = _only(cursor)
        taken.tables.append({"name": table, "columns": columns, "last": last})


def _copy_in(connection: Connection, table: dict[str, Any], folder: Path) -> None:
    name, columns = table["name"], table["columns"]
    with _cursor_of(connection) as cursor:
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(name), _list(columns))
        with cursor.copy(statement) as copy, (folder / MEMBER.format(table=name)).open("rb") as file:
            while data := file.read(PIECE_BYTES):
                copy.write(data)
        if table["last"] is not None and (sequence := _sequence_of(cursor, name, columns)):
            cursor.execute("SELECT setval(%s::regclass, %s)", [sequence, table["last"]])


def _cursor_of(connection: Connection) -> psycopg.Cursor[Any]:
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    return driver.cursor()


def _sequence_of(cursor: psycopg.Cursor[Any], table: str, columns: list[str]) -> str | None:
    """The quoted name of the sequence that numbers a table's rows."""
    if "id" not in columns:
        return None
    cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [table])
    found = _only(cursor)
    return None if found is None else str(found)


def _only(cursor: psycopg.Cursor[Any]) -> Any:
    row = cursor.fetchone()
    return None if row is None else row[0]


def _list(names: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


def _first_line(exc: Exception) -> str:
    return str(getattr(exc, "orig", None) or exc).strip().split("\n")[0].rstrip(".")
