"""Operators find orders by what a guest can tell them, and each question is answered from an index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, select, text

from jobs.access.links import guest_key
from jobs.farm import Farm
from jobs.orders import finding, telling
from jobs.orders.finding import Found, Sought, find_orders, read_code
from jobs.orders.models import Order
from scripts.benching.filling import fill
from tests.builders import accept, change, fail, finish, must_claim, seconds_ago


def find(farm: Farm, words: str = "", **sought: Any) -> list[str]:
    """The order ids, newest first."""
    return [found.order_id for found in look(farm, words, **sought)]


def look(farm: Farm, words: str = "", **sought: Any) -> list[Found]:
    return farm.database.read(find_orders, Sought(words=words, **sought))[0]


def order_of(farm: Farm, order_id: str) -> Order:
    return farm.database.read(lambda session: session.scalars(select(Order).where(Order.order_id == order_id)).one())


@contextmanager
def plans(farm: Farm) -> Iterator[list[str]]:
    """How the database goes about each question that is asked meanwhile."""
    found: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if not statement.startswith("SELECT") or getattr(connection, "explaining", False):
            return
        how = "EXPLAIN QUERY PLAN " if farm.database.is_sqlite else "EXPLAIN "
        own = cursor.connection.cursor()
        own.execute(how + statement, parameters)
        found.append("\n".join(str(row) for row in own.fetchall()))

    event.listen(farm.database.engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(farm.database.engine, "before_cursor_execute", explain)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("ab3dqr", "AB3DQR"), (" AB3-DQR ", "AB3DQR"), ("AB3D0R", "AB3DQR"), ("ab3dOr", "AB3DDR"), ("1B3DQR", "LB3DQR")],
)
def test_a_code_is_forgiving(typed: str, meant: str) -> None:
    assert meant in read_code(typed)


@pytest.mark.parametrize("typed", ["", "ABC", "ABCDEFG", "order-11"])
def test_what_is_no_code_is_not_taken_for_one(typed: str) -> None:
    assert read_code(typed) == []


def test_an_order_is_found_by_whatever_the_guest_can_tell(farm: Farm) -> None:
    for number, order_id in enumerate(("first-order", "second_order", "secondXorder")):
        accept(farm, order_id=order_id)
        order = order_of(farm, order_id)
        change(farm, Order, order.id, code=("AAAAAA", "QJ2345", "BBBBBB")[number], created_at=seconds_ago(300 - number))
    assert find(farm) == ["secondXorder", "second_order", "first-order"]
    assert find(farm, "qj2345") == find(farm, "0I2345") == ["second_order"]
    assert find(farm, "second_order") == ["second_order"], "an underscore stands for itself"
    assert find(farm, "second") == ["secondXorder", "second_order"]
    assert find(farm, "booth-of-first-order") == ["first-order"]
    [task] = look(farm, "first-order")[0].tasks
    assert find(farm, task.task_id) == ["first-order"]
    assert find(farm, "nobody") == find(farm, "%") == find(farm, "*") == find(farm, "sec*") == []
    assert find(farm, since=seconds_ago(299.5)) == ["secondXorder", "second_order"]
    assert find(farm, until=seconds_ago(299.5)) == ["first-order"]
    assert find(farm, since=seconds_ago(10)) == find(farm, until=seconds_ago(1000)) == []


def test_a_status_finds_orders_with_such_a_task_and_the_line_says_the_order_s(farm: Farm) -> None:
    accept(farm, 2, order_id="mixed")
    finish(farm, must_claim(farm))
    fail(farm, must_claim(farm))
    accept(farm, order_id="waits")
    for status in ("failed", "succeeded"):
        assert [(one.order_id, one.status) for one in look(farm, status=status)] == [("mixed", "partial")]
    assert find(farm, status="queued", since=seconds_ago(60)) == ["waits"]
    assert find(farm, "booth-of-mixed", status="queued") == []
    made, failed = look(farm, "mixed")[0].tasks
    assert (len(made.pictures), failed.pictures, failed.photo) == (1, (), 1)
    farm.interventions.delete_order("mixed", actor="ann")
    [deleted] = look(farm, "mixed")
    assert deleted.status == "deleted"
    assert [(task.pictures, task.photo) for task in deleted.tasks] == [((), None), ((), None)]


def test_pages_follow_each_other_without_gap_or_repetition(farm: Farm) -> None:
    fill(farm.database, 60)
    seen: list[str] = []
    before = None
    for _ in range(4):
        found, before = farm.database.read(find_orders, Sought(), before=before, limit=8)
        seen += [one.order_id for one in found]
    assert before is None
    everything = farm.database.read(
        lambda session: list(session.scalars(select(Order.order_id).order_by(Order.id.desc())))
    )
    assert seen == everything


def test_every_question_walks_an_index(farm: Farm) -> None:
    fill(farm.database, 6_000)
    if not farm.database.is_sqlite:
        with farm.database.engine.begin() as connection:
            connection.execute(text("ANALYZE"))
    page = look(farm)  # walks the orders' ids from the newest back, for as many as it shows
    assert len(page) == finding.PAGE_ORDERS
    newest, middle = page[0], page[-1].created_at
    with plans(farm) as found:
        assert look(farm, newest.code) and look(farm, newest.order_id)
        look(farm, newest.order_id[:8])
        assert look(farm, newest.booth)
        assert look(farm, status="failed")
        assert find(farm, status="queued") == []
        assert look(farm, since=middle, until=newest.created_at)
    assert len(found) > 20
    whole = (
        "SCAN orders'",
        "SCAN tasks'",
        "SCAN images'",
        "Seq Scan on orders",
        "Seq Scan on tasks",
        "Seq Scan on ima",
    )
    assert [plan for plan in found if any(words in plan for words in whole)] == []


def test_a_new_link_ends_the_old_one_and_is_written_down(farm: Farm) -> None:
    accept(farm)
    before = order_of(farm, "order-1")
    farm.interventions.renew_link("order-1", actor="ann")
    after = order_of(farm, "order-1")
    assert (after.link_number, after.version) == (before.link_number + 1, before.version + 1)
    assert after.guest_key == guest_key(farm.signer.guest_token(after.uid, after.link_number)) != before.guest_key
    story = farm.database.read(telling.tell_order, "order-1")
    assert [(entry.actor, entry.action) for entry in story.audit] == [("ann", "new link")]
