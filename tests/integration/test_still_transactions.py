"""A process that stands still inside a transaction: PostgreSQL ends its session, and with it what it had locked."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from jobs.database import Database, advisory_lock
from jobs.errors import DatabaseAway

LIMIT_MS = 300
KEY = 7


@pytest.fixture
def databases(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Database, Database]]:
    """Two processes' ways to one database, with a limit that a test can wait for."""
    monkeypatch.setattr("jobs.database.session.IDLE_TIMEOUT_MS", LIMIT_MS)
    pair = Database(postgres_url), Database(postgres_url)
    yield pair
    for database in pair:
        database.dispose()


def test_i5_whoever_stands_still_in_a_transaction_loses_its_locks_and_hears_that_the_database_was_away(
    databases: tuple[Database, Database],
) -> None:
    first, second = databases
    has_lock, goes_on = threading.Event(), threading.Event()
    heard: list[Exception] = []

    def stand_still(session: Session) -> None:
        advisory_lock(session, KEY)
        has_lock.set()
        assert goes_on.wait(30)
        session.execute(text("SELECT 1"))

    def live() -> None:
        try:
            first.write(stand_still)
        except Exception as exc:
            heard.append(exc)

    frozen = threading.Thread(target=live)
    frozen.start()
    assert has_lock.wait(30)
    second.write(advisory_lock, KEY)  # waits until the first one's session is ended; without that, 5 s and DatabaseAway
    goes_on.set()
    frozen.join(30)
    assert [type(exc) for exc in heard] == [DatabaseAway]
    first.ping()
