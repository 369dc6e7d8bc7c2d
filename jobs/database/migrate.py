"""Bringing the database to the revision that this code needs: the web does it, all others wait for it."""

from __future__ import annotations

import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from jobs.database.session import Database

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
MIGRATION_LOCK = 0x6661726D01
WAIT_SECONDS = 0.5


def migrate(database: Database) -> None:
    """Run the migrations that are missing, one process at a time. Harmless when there are none."""
    if database.is_sqlite:
        Path(database.url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        if is_current(database):
            return
    with database.engine.execution_options(farm_writing=True).connect() as connection:
        with connection.begin():
            if not database.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def is_current(database: Database) -> bool:
    """Does the database have the revision that this code needs? False also when it does not answer."""
    needed = ScriptDirectory.from_config(_config()).get_current_head()
    try:
        with database.engine.connect() as connection:
            return _revision_of(connection) == needed
    except SQLAlchemyError:
        return False


def wait_until_current(database: Database) -> None:
    """Return once the database answers and is migrated, however long that takes."""
    while not is_current(database):
        time.sleep(WAIT_SECONDS)


def _revision_of(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
