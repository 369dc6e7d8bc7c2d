"""Points that lie inside a transaction, on PostgreSQL: the process stands in its COMMIT, or has not sent it yet.

A commit is held by a deferred constraint trigger that waits for an advisory lock which we hold: the server has
everything but the commit's last word. What follows is chosen: the commit comes through although nobody hears of it, or
its connection is cut and it is rolled back. A transaction without its COMMIT is held by our lock on a table that it
writes to; when that is gone, its rows stay locked until the process goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from tests.faults.farm import FaultFarm, eventually
from tests.faults.gate import At, Stop
from tests.faults.points import Point, Scene, Standing, reached, without_repair

LOCK = 4711
FUNCTION = f"""
CREATE OR REPLACE FUNCTION stand_still() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock_shared({LOCK}); RETURN NULL; END $$
"""
COMMIT_WAITS = f"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = {LOCK} AND NOT granted"  # noqa: S608  our own number
TABLE_WAITS = "SELECT pid FROM pg_locks WHERE relation = 'events'::regclass AND NOT granted"


@dataclass(frozen=True)
class Move:
    """A move whose commit can be held: which write tells it, and where its worker stops on the way there."""

    table: str
    write: str
    condition: str
    before_it: Callable[[FaultFarm], Stop] | None


MOVES = {
    "order": Move("tasks", "INSERT", "true", None),
    "claim": Move(
        "steps",
        "UPDATE",
        "OLD.status = 'queued' AND NEW.status = 'running'",
        lambda farm: farm.redis_gate.stop(At.REPLY, b"\r\nring-", is_meant=farm.is_worker),
    ),
    "right to send": Move(
        "calls",
        "UPDATE",
        "OLD.sent_at IS NULL AND NEW.sent_at IS NOT NULL",
        lambda farm: farm.gate.stop(At.REQUEST, b"POST /upload/image"),
    ),
    "success": Move(
        "steps",
        "UPDATE",
        "OLD.status = 'running' AND NEW.status = 'succeeded'",
        lambda farm: farm.gate.stop(At.REQUEST, b"GET /view"),
    ),
}


@contextmanager
def connected(farm: FaultFarm) -> Iterator[psycopg.Connection]:
    """A connection of our own."""
    address = farm.database_url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(address, autocommit=True) as connection:
        yield connection


def first_waiting(connection: psycopg.Connection, query: str) -> int:
    """The server process that waits for our lock."""

    def look() -> int | None:
        row = connection.execute(query).fetchone()  # type: ignore[arg-type]  # ours
        return int(row[0]) if row else None

    return eventually(look, "a transaction waits for our lock")


def in_commit(name: str, *, is_lost: bool) -> Point:
    """The process stands in the COMMIT of this move. `is_lost`: it is rolled back, else it comes through unheard."""
    move = MOVES[name]

    def point(scene: Scene) -> Iterator[Standing]:
        farm = scene.farm
        with connected(farm) as connection:
            connection.execute(FUNCTION)
            connection.execute(
                f"CREATE CONSTRAINT TRIGGER stand_still AFTER {move.write} ON {move.table} DEFERRABLE INITIALLY"
                f" DEFERRED FOR EACH ROW WHEN ({move.condition}) EXECUTE FUNCTION stand_still()"  # type: ignore[arg-type]
            )
            try:
                connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
                repair = without_repair(farm)  # a second ring would let another worker overtake the one at the gate
                stop = move.before_it(farm) if move.before_it else None
                scene.submit()
                process = farm.web()
                if stop is not None:
                    process = reached(scene, stop).process
                    stop.release()
                backend = first_waiting(connection, COMMIT_WAITS)

                def let_go() -> None:
                    repair.release()
                    if is_lost:
                        connection.execute("SELECT pg_terminate_backend(%s)", [backend])
                    connection.execute("SELECT pg_advisory_unlock(%s)", [LOCK])

                yield Standing(process, let_go)
            finally:
                connection.execute("SELECT pg_advisory_unlock_all()")
                connection.execute(f"DROP TRIGGER stand_still ON {move.table}")  # type: ignore[arg-type]

    return point


def before_commit(name: str) -> Point:
    """The process has written all rows of this move, holds their locks, and has not sent the COMMIT."""
    move = MOVES[name]

    def point(scene: Scene) -> Iterator[Standing]:
        farm = scene.farm
        assert move.before_it is not None
        repair = without_repair(farm)
        stop = move.before_it(farm)
        scene.submit_and_wait()
        process = reached(scene, stop).process
        with connected(farm) as connection:
            connection.execute("BEGIN")
            connection.execute("LOCK TABLE events IN SHARE MODE")
            stop.release()
            with connected(farm) as other:
                first_waiting(other, TABLE_WAITS)

            def let_go() -> None:
                repair.release()
                connection.rollback()

            yield Standing(process, let_go)

    return point
