"""Databases made quick: migrated once for the session, then emptied (PostgreSQL) or copied (SQLite) for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
import pytest

from jobs.database import Base, Database
from jobs.database.migrate import migrate

NAME = "farm_integration"
EMPTY_EVERY_TABLE = "; ".join(
    (
        "BEGIN",
        "SET LOCAL session_replication_role = replica",
        *(f"DELETE FROM {table.name}" for table in Base.metadata.sorted_tables),  # noqa: S608  our own tables
        "SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S'",
        "COMMIT",
    )
)
"""Without a look at foreign keys; ids begin at 1 again. TRUNCATE makes new files of all tables, ten times as slow."""


@pytest.fixture(scope="session")
def migrated_postgres(postgres_address: str) -> str:
    """A migrated PostgreSQL database, as psycopg names it; the server skips fsync, nothing here outlives it."""
    head, _, query = postgres_address.partition("?")
    address = f"{head.rsplit('/', 1)[0]}/{NAME}?{query}"
    with psycopg.connect(postgres_address, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(f'CREATE DATABASE "{NAME}"')
    database = Database(address.replace("postgresql://", "postgresql+psycopg://"))
    migrate(database)
    database.dispose()
    return address


@pytest.fixture
def postgres_url(migrated_postgres: str) -> str:
    """The migrated database without a row, as SQLAlchemy names it."""
    with psycopg.connect(migrated_postgres, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            [NAME],
        )
        connection.execute(EMPTY_EVERY_TABLE)
    return migrated_postgres.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that nobody has open."""
    path = tmp_path_factory.mktemp("template") / "farm.sqlite3"
    database = Database(f"sqlite:///{path}")
    migrate(database)
    database.dispose()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database of each kind: a test that names this runs twice."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "farm.sqlite3")
        return f"sqlite:///{tmp_path / 'farm.sqlite3'}"
    url: str = request.getfixturevalue("postgres_url")
    return url
