"""Transactions. `Database.read` and `Database.write` run a function in one; nothing else opens a session.

A writing transaction starts with BEGIN IMMEDIATE on SQLite, is repeated when the database breaks a deadlock, and
hands what it put into its Outbox to one listener *after* the commit: commit first, ring after.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from jobs.errors import DatabaseAway

P = ParamSpec("P")
T = TypeVar("T")

REPEATS = 3
CONNECT_SECONDS = 3
LOOK_MS = 12
WRITABLE_SECONDS = 2.0
LOCK_SECONDS = 5.0
STATEMENT_TIMEOUT_MS = 15_000
IDLE_TIMEOUT_MS = 15_000
"""A process that stands still inside a transaction keeps its locks, the claiming of everybody's steps among them, until
PostgreSQL ends its session."""
# Deadlock detected, serialization failure: the whole transaction may simply be run again.
REPEATABLE_SQLSTATES = frozenset({"40P01", "40001"})


@dataclass
class Outbox:
    """What the world should hear once a transaction is committed. Losing any of it costs seconds, never a task."""

    due: list[tuple[str, int, int]] = field(default_factory=list)
    """(resource, step id, attempt) of each step that became due."""
    changed: set[int] = field(default_factory=set)
    """Ids of orders whose version was raised."""
    room: set[str] = field(default_factory=set)
    """Resources where room may have appeared: a call closed, a pause ended, a server came back."""
    closing: bool = False
    """A call was left closing: the reconciler may stop its work at once."""

    def __bool__(self) -> bool:
        return bool(self.due or self.changed or self.room or self.closing)


def outbox_of(session: Session) -> Outbox:
    """The outbox of the session's running transaction."""
    outbox: Outbox = session.info.setdefault("outbox", Outbox())
    return outbox


def now_of(session: Session) -> datetime:
    """The present moment: the database's clock on PostgreSQL (workers' clocks may be wrong), ours on SQLite."""
    if session.get_bind().dialect.name == "postgresql":
        moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
        return moment.astimezone(UTC)
    return datetime.now(UTC)


class Database:
    """One process's way to the database. Built without connecting; `dispose` before a fork."""

    def __init__(self, url: str, *, pool_size: int = 5, busy_seconds: float = 30.0) -> None:
        """`busy_seconds`: how long to wait for SQLite's write lock, or for a free connection of the pool; on PostgreSQL
        at most 5 s.
        """
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self.busy_seconds = busy_seconds
        self._turn = threading.Lock()
        self._turn_until: float | None = None
        self.engine = self._make_engine(pool_size)
        self._writers = self.engine.execution_options(farm_writing=True)
        self.after_commit: Callable[[Outbox], None] | None = None

    def _make_engine(self, pool_size: int) -> Engine:
        if self.is_sqlite:
            engine = create_engine(
                self.url,
                hide_parameters=True,  # an error's text goes to the log, and a guest's text may be among them
                pool_size=pool_size,
                max_overflow=0,  # opening one costs more than waiting for one
                pool_timeout=self.busy_seconds,
                connect_args={"timeout": self.busy_seconds, "check_same_thread": False},
            )
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", self._begin_sqlite)
            return engine
        patience = min(self.busy_seconds, LOCK_SECONDS)
        return create_engine(
            self.url,
            hide_parameters=True,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=patience,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": CONNECT_SECONDS,
                "options": f"-c lock_timeout={int(patience * 1000)} -c statement_timeout={STATEMENT_TIMEOUT_MS}"
                f" -c idle_in_transaction_session_timeout={IDLE_TIMEOUT_MS}",
            },
        )

    def read(self, function: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function(session, …)` in a reading transaction. Raises DatabaseAway."""
        try:
            with Session(self.engine, expire_on_commit=False) as session:
                return function(session, *args, **kwargs)
        except PoolTimeoutError as exc:
            raise DatabaseAway() from exc
        except DBAPIError as exc:
            if isinstance(exc, OperationalError) or exc.connection_invalidated:
                raise DatabaseAway() from exc
            raise

    def write(self, function: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function(session, …)` in a writing transaction, commit, then tell the listener. Raises DatabaseAway.

        An exception of `function` rolls everything back and goes through. It must not touch the outside world: it
        is run again, up to 3 times in all, when the database breaks a deadlock.
        """
        for repeat in range(1, REPEATS + 1):
            try:
                with (
                    self._take_turn(self.busy_seconds),
                    Session(self._writers, expire_on_commit=False) as session,
                    session.begin(),
                ):
                    session.connection()  # begins now: what `function` calls "now" is after the wait for its turn
                    result = function(session, *args, **kwargs)
                    session.flush()
                    outbox = outbox_of(session)
                break
            except PoolTimeoutError as exc:
                raise DatabaseAway() from exc
            except DBAPIError as exc:
                if getattr(exc.orig, "sqlstate", None) in REPEATABLE_SQLSTATES and repeat < REPEATS:
                    continue
                if isinstance(exc, OperationalError) or exc.connection_invalidated:
                    raise DatabaseAway() from exc
                raise
        if outbox and self.after_commit is not None:
            self.after_commit(outbox)
        return result

    @contextmanager
    def _take_turn(self, seconds: float) -> Iterator[None]:
        """One writer at a time in a process on SQLite, which takes no more: who waits holds no connection meanwhile."""
        if not self.is_sqlite:
            yield
            return
        until = time.monotonic() + seconds
        if not self._turn.acquire(timeout=seconds):
            raise DatabaseAway()
        self._turn_until = until
        try:
            yield
        finally:
            self._turn_until = None
            self._turn.release()

    def _begin_sqlite(self, connection: Connection) -> None:
        if not connection.get_execution_options().get("farm_writing", False):
            connection.exec_driver_sql("BEGIN")
            return
        # SQLite's own wait backs off to 100 ms between looks, which starves whoever waits longest. Ours looks every
        # few milliseconds.
        until = self._turn_until or time.monotonic() + self.busy_seconds
        connection.exec_driver_sql(f"PRAGMA busy_timeout={LOOK_MS}")
        try:
            while True:
                try:
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                    break
                except OperationalError as exc:
                    if "locked" not in str(exc.orig) or time.monotonic() >= until:
                        raise
        finally:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={int(self.busy_seconds * 1000)}")

    def ping(self) -> None:
        """Ask the database for an answer. Raises DatabaseAway."""
        self.read(lambda session: session.execute(text("SELECT 1")).scalar_one())

    def check_writable(self, seconds: float = WRITABLE_SECONDS) -> None:
        """Can a change be begun? Another's write lock on SQLite is waited for so long. Raises DatabaseAway."""
        if not self.is_sqlite:
            self.ping()
            return
        try:
            with self._take_turn(seconds), self._writers.connect() as connection, connection.begin():
                pass  # BEGIN IMMEDIATE is the question
        except (OperationalError, PoolTimeoutError) as exc:
            raise DatabaseAway() from exc

    def count_bytes(self) -> int:
        """How large the database is. Raises DatabaseAway."""
        if self.is_sqlite:
            question = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        else:
            question = "SELECT pg_database_size(current_database())"
        return int(self.read(lambda session: session.execute(text(question)).scalar_one()))

    def dispose(self) -> None:
        """Close every connection: before a fork, and at the end of a process."""
        self.engine.dispose()


def advisory_lock(session: Session, key: int) -> None:
    """Let one transaction at a time past this line for `key`. SQLite's BEGIN IMMEDIATE already does that."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(key)))


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # the driver would begin by itself, and too late; see _begin_sqlite
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
