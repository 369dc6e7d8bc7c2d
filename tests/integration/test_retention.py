"""Retention erases old orders by itself, in transactions that the intake does not notice, and keeps the totals."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import func, select

from jobs.access import audit
from jobs.erasure import retention
from jobs.erasure.models import Erasure
from jobs.erasure.retention import Retention, count_kept
from jobs.farm import Farm
from jobs.orders import tallies
from jobs.orders.events import drop_counted
from jobs.orders.models import Event, Image, Order, Photo, Task
from jobs.settings import Settings
from scripts.benching.filling import fill
from tests.builders import (
    accept,
    change,
    finish,
    get_task,
    list_files,
    must_claim,
    open_farm,
    seconds_ago,
    send,
)
from tests.told import TOLD

DAY = 86_400.0
ORDERS = 800
LONGEST_SECONDS = 0.1


def never(seconds: float) -> bool:
    """Nobody asks to stop, and nobody needs the breath."""
    return False


def age(farm: Farm, order_id: str, days: float) -> None:
    """Make an order so old."""
    row = farm.database.read(lambda session: session.scalars(select(Order.id).where(Order.order_id == order_id)).one())
    change(farm, Order, row, created_at=seconds_ago(days * DAY))


def list_kept(farm: Farm) -> list[str]:
    """Orders that are not erased."""
    query = select(Order.order_id).where(Order.deleted_at.is_(None)).order_by(Order.id)
    return farm.database.read(lambda session: list(session.scalars(query)))


def count(farm: Farm, what: Any) -> int:
    """Rows of a table."""
    return farm.database.read(lambda session: session.scalar(select(func.count()).select_from(what)) or 0)


def roll_up(farm: Farm) -> None:
    """Count every event: PostgreSQL notes a stretch first, and counts it then."""
    for _ in range(2):
        while farm.database.write(tallies.roll_up):
            pass


def test_what_is_too_old_goes_as_if_it_had_been_deleted(farm: Farm) -> None:
    (task_id,) = accept(farm, order_id="old")
    claimed = must_claim(farm)
    send(farm, claimed)
    finish(farm, claimed)
    accept(farm, order_id="old-but-open")
    accept(farm, order_id="young")
    farm.interventions.cancel_order("young", actor="booth:b")
    for order_id, days in (("old", 7.01), ("old-but-open", 30.0), ("young", 6.99)):
        age(farm, order_id, days)
    public_id = get_task(farm, task_id).task_id
    farm.database.write(audit.note, "operator:ann", "redo", f"task:{public_id}", new_task="some id")
    reconciler = farm.reconciler()
    reconciler.retain()
    reconciler.erase()
    assert list_kept(farm) == ["old-but-open", "young"]
    assert len(list_files(farm)) == 2, "the photos of the two that are kept"
    receipt = farm.database.read(lambda session: session.get_one(Order, 1)).receipt
    assert receipt is not None and (receipt["order_id"], receipt["tasks"], receipt["files"]) == ("old", 1, 3)
    assert [row.detail for row in farm.database.read(audit.list_for, f"task:{public_id}")] == [{}]
    assert [row.action for row in farm.database.read(audit.list_for, "order:old")] == [], "no operator did it"


def test_a_season_goes_in_short_transactions_oldest_first_and_the_totals_stay(settings: Settings) -> None:
    with open_farm(settings) as farm:
        fill(farm.database, ORDERS * 2)
        accept(farm, order_id="new")
        roll_up(farm)
        before = farm.database.read(tallies.read_tallies).counts
        oldest = farm.database.read(retention.list_expired, 45.0)
        assert len(oldest) == retention.ORDERS_AT_ONCE
        assert oldest == list_kept(farm)[: len(oldest)]
        held: list[Lock] = []
        old = Retention(timed(farm, held), farm.terms, 45.0)
        rounds = 1
        while old.keep_limit(never):
            rounds += 1
            roll_up(farm)
        for _ in range(ORDERS // 10):
            roll_up(farm)
            old.keep_limit(never)
            if count(farm, Event) == count_events_of_kept(farm):
                break
        assert rounds == pytest.approx(ORDERS / 2 / retention.ORDERS_AT_ONCE, abs=1)
        kept = list_kept(farm)
        assert len(kept) == pytest.approx(ORDERS / 2, abs=ORDERS / 20) and kept[-1] == "new"
        assert count(farm, Order) == ORDERS + 1 and count(farm, Task) == 2 * ORDERS + 1, "their rows stay"
        assert count(farm, Event) == count_events_of_kept(farm), "what was counted of erased orders is gone"
        assert count_of_erased(farm) == (0, 0)
        assert farm.database.read(tallies.read_tallies).counts == before
        wall = sorted(lock.wall_s for lock in held)
        median, most, longest = statistics.median(wall), wall[len(wall) * 99 // 100], wall[-1]
        ours = sorted(lock.processor_s for lock in held)
        kind = "SQLite" if farm.database.is_sqlite else "PostgreSQL"
        print(
            f"{TOLD}retention of {ORDERS - len(kept)} orders on {kind}: {len(held)} writing transactions, "
            f"median {median * 1000:.1f} ms, 99 of 100 within {most * 1000:.1f} ms, longest {longest * 1000:.1f} ms"
        )
        # Whatever else the machine does; beside it, this process collects the garbage of a whole test run.
        assert ours[len(ours) * 99 // 100] < LONGEST_SECONDS


@dataclass(frozen=True)
class Lock:
    """How long a writing transaction held its lock, and how much of that was work of ours."""

    wall_s: float
    processor_s: float


def timed(farm: Farm, held: list[Lock]) -> Any:
    """The farm's database; of each writing transaction is noted how long it held its lock."""

    class Timed:
        read = farm.database.read

        @staticmethod
        def write(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            began: list[float] = []

            def noting(session: Any) -> Any:
                began[:] = time.perf_counter(), time.thread_time()
                return function(session, *args, **kwargs)

            result = farm.database.write(noting)
            held.append(Lock(time.perf_counter() - began[0], time.thread_time() - began[1]))
            return result

    return Timed


def count_events_of_kept(farm: Farm) -> int:
    """Events of orders that are not erased."""
    query = select(func.count()).select_from(Event).join(Order, Order.id == Event.order_id)
    return farm.database.read(lambda session: session.scalar(query.where(Order.deleted_at.is_(None))) or 0)


def count_of_erased(farm: Farm) -> tuple[int, int]:
    """Photos' paths and pictures' rows that erased orders still have."""
    photos = select(func.count()).select_from(Photo).join(Order, Order.id == Photo.order_id)
    images = select(func.count()).select_from(Image).join(Task, Task.id == Image.task_id).join(Order)
    return farm.database.read(
        lambda session: (
            session.scalar(photos.where(Order.deleted_at.is_not(None), Photo.path.is_not(None))) or 0,
            session.scalar(images.where(Order.deleted_at.is_not(None))) or 0,
        )
    )


def test_an_event_that_is_not_counted_keeps_its_orders_history(farm: Farm) -> None:
    accept(farm)
    finish(farm, must_claim(farm))
    roll_up(farm)
    total = tallies.total(farm.database.read(tallies.read_tallies).counts, "ended")
    farm.interventions.delete_order("order-1", actor="booth:b")
    age(farm, "order-1", 8)
    before = count(farm, Event)
    assert farm.database.write(drop_counted, seconds_ago(7 * DAY)) == 0, "its deletion is not counted yet"
    roll_up(farm)
    assert farm.database.write(drop_counted, seconds_ago(9 * DAY)) == 0, "it is not that old"
    assert farm.database.write(drop_counted, seconds_ago(7 * DAY)) == before
    assert count(farm, Event) == 0
    assert tallies.total(farm.database.read(tallies.read_tallies).counts, "ended") == total == 1


def test_debts_that_were_paid_long_ago_are_dropped(farm: Farm) -> None:
    accept(farm)
    farm.interventions.delete_order("order-1", actor="booth:b")
    farm.reconciler().erase()
    rows = farm.database.read(lambda session: list(session.scalars(select(Erasure).order_by(Erasure.id))))
    assert [row.done_at is not None for row in rows] == [True, True]
    change(farm, Erasure, rows[0].id, done_at=seconds_ago(8 * DAY))
    farm.retention.keep_limit(never)
    assert count(farm, Erasure) == 1


def test_a_round_ends_when_it_is_time_to_stop(farm: Farm) -> None:
    for number in range(3):
        accept(farm, order_id=f"order-{number}")
        farm.interventions.cancel_order(f"order-{number}", actor="booth:b")
        age(farm, f"order-{number}", 8)
    replace(farm.retention).keep_limit(lambda seconds: True)
    assert list_kept(farm) == ["order-1", "order-2"]


def test_what_is_kept_is_counted(farm: Farm) -> None:
    accept(farm, 2)
    finish(farm, must_claim(farm))
    change(farm, Image, 1, bytes=5_000_000)
    kept = farm.database.read(count_kept)
    assert (kept.orders, kept.megabytes) == (1, 5) and kept.oldest_at is not None
    farm.interventions.delete_order("order-1", actor="booth:b")
    assert farm.database.read(count_kept) == retention.Kept(0, 0, None)
