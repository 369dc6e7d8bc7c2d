"""Two transactions at the same instant, on PostgreSQL, where statements of both can lie between each other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event

from jobs.errors import ClaimLost
from jobs.farm import Farm
from jobs.orders import repairs
from jobs.settings import Settings
from tests import builders
from tests.builders import accept, list_calls, must_claim, open_farm, send

LONGEST_STATEMENT_SECONDS = 1.0
"""So long a transaction that waits for the other's row lock is given before that one goes on."""


@pytest.fixture
def postgres_farm(tmp_path: Any, redis_url: str, postgres_url: str) -> Iterator[Farm]:
    """A farm on PostgreSQL only: SQLite lets one writer in at a time."""
    settings = Settings.load(
        _env_file=None, data_dir=tmp_path, redis_url=redis_url, database_url=postgres_url, disk_reserve_mb=1
    )
    with open_farm(settings) as farm:
        yield farm


def run_before(farm: Farm, statement_start: str, action: Callable[[], object]) -> list[threading.Thread]:
    """Have `action` begin in another thread just before this thread's next such statement is executed."""
    here, started = threading.get_ident(), list[threading.Thread]()

    def interrupt(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if not started and threading.get_ident() == here and statement.startswith(statement_start):
            thread = threading.Thread(target=action)
            started.append(thread)
            thread.start()
            thread.join(LONGEST_STATEMENT_SECONDS)  # returns at once unless it waits for a lock of ours

    event.listen(farm.database.engine, "before_cursor_execute", interrupt)
    return started


def try_to_send(farm: Farm, claimed: Any, outcomes: list[str]) -> None:
    try:
        send(farm, claimed)
        outcomes.append("sent")
    except ClaimLost:
        outcomes.append("lost")


def test_a_call_that_is_sent_while_its_task_is_canceled_is_never_closed_as_unsent(postgres_farm: Farm) -> None:
    farm = postgres_farm
    (task_id,) = accept(farm)
    claimed = must_claim(farm)
    outcomes: list[str] = []
    started = run_before(farm, "UPDATE calls", lambda: try_to_send(farm, claimed, outcomes))
    farm.database.write(repairs.cancel_task, task_id, actor="booth")
    for thread in started:
        thread.join()
    (call,) = list_calls(farm)
    assert (outcomes[0], call.state) in {("sent", "closing"), ("lost", "closed")}


def test_a_picture_that_is_finished_while_its_order_is_deleted_goes_with_it(postgres_farm: Farm) -> None:
    farm = postgres_farm
    accept(farm)
    claimed = must_claim(farm)
    started = run_before(farm, "UPDATE orders", lambda: builders.finish(farm, claimed))
    farm.interventions.delete_order("order-1", actor="booth")
    assert started
    for thread in started:
        thread.join()
    assert builders.list_images(farm) == []
    assert builders.list_files(farm) == []


def test_once_a_limit_is_lowered_no_claim_of_before_begins_any_more(postgres_farm: Farm) -> None:
    farm = postgres_farm
    accept(farm, 3)
    seen: list[int] = []

    def lower() -> None:
        farm.switches.pools.set_limit("comfyui", 1, actor="admin")
        seen.append(len(list_calls(farm)))

    started = run_before(farm, "INSERT INTO calls", lower)
    must_claim(farm)
    for thread in started:
        thread.join()
    assert builders.claim(farm) is None
    assert seen == [1] == [len(list_calls(farm))]
