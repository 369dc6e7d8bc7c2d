"""Which revision of the tables this code needs, and waiting for it. Free of the migration tool: workers load this."""

from __future__ import annotations

import time

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from jobs.database.session import Database

REVISION = "0009"
"""The newest file in migrations/versions/; tests/integration/test_schema.py compares."""
WAIT_SECONDS = 0.5


def is_current(database: Database) -> bool:
    """Does the database have the revision that this code needs? False also when it does not answer."""
    try:
        with database.engine.connect() as connection:
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [REVISION]
    except SQLAlchemyError:
        return False


def wait_until_current(database: Database) -> None:
    """Return once the database answers and is migrated, however long that takes."""
    while not is_current(database):
        time.sleep(WAIT_SECONDS)
