"""What failed is told by cause, and all of one cause is tried again: only that, each once, each written down."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from jobs import interventions
from jobs.access.models import AuditEntry
from jobs.engine.retries import REASONS
from jobs.farm import Farm
from jobs.orders.failures import Failures, list_causes, list_failed
from jobs.orders.models import Task
from tests.builders import accept, change, fail, get_task, must_claim, seconds_ago

A_DAY = 86_400


def fail_orders(farm: Farm, *order_ids: str, kind: str) -> list[int]:
    """Orders of one task each, failed; the tasks' row ids."""
    ids = []
    for order_id in order_ids:
        ids += accept(farm, order_id=order_id)
        fail(farm, must_claim(farm), kind=kind)
    return ids


def of(kind: str) -> Failures:
    return Failures(kind, REASONS[kind], seconds_ago(A_DAY), seconds_ago(-1))


def audited(farm: Farm) -> list[str]:
    query = select(AuditEntry.subject).where(AuditEntry.action == "retry").order_by(AuditEntry.id)
    return farm.database.read(lambda session: list(session.scalars(query)))


def test_causes_are_told_with_how_many_when_and_whom(farm: Farm) -> None:
    fail_orders(farm, "a", "b", kind="unavailable")
    fail_orders(farm, "refused", kind="content_refused")
    (old,) = fail_orders(farm, "old", kind="bug")
    change(farm, Task, old, finished_at=seconds_ago(2 * A_DAY))
    fail_orders(farm, "deleted", kind="bug")
    farm.interventions.delete_order("deleted", actor="ann")
    away, refused = farm.database.read(list_causes, seconds_ago(A_DAY), seconds_ago(-1))
    assert (away.kind, away.reason, away.count) == ("unavailable", REASONS["unavailable"], 2)
    assert away.booths == ("booth-of-a", "booth-of-b")
    assert [one.order_id for one in away.examples] == ["b", "a"]
    assert away.first_at < away.last_at < refused.first_at == refused.last_at
    assert (refused.kind, refused.count) == ("content_refused", 1)


def test_all_of_one_cause_are_tried_again_and_nothing_else(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interventions, "BATCH_TASKS", 2)
    away = fail_orders(farm, "a", "b", "c", kind="unavailable")
    others = fail_orders(farm, "d", kind="bad_answer")
    assert farm.interventions.retry_failures(of("unavailable"), actor="ann") == (3, 0)
    assert {get_task(farm, task_id).status for task_id in away} == {"running"}
    assert {get_task(farm, task_id).status for task_id in others} == {"failed"}
    assert audited(farm) == [f"task:{get_task(farm, task_id).task_id}" for task_id in away]
    assert farm.interventions.retry_failures(of("unavailable"), actor="ann") == (0, 0)
    assert must_claim(farm).held.task_id == away[0], "in the order in which the guests came"


def test_what_moved_on_meanwhile_is_left_alone(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = fail_orders(farm, "a", "b", "c", kind="unavailable")

    def list_then_others_press(session: object, failures: Failures) -> list[int]:
        found = farm.database.read(list_failed, failures)
        farm.interventions.retry(get_task(farm, first).task_id, actor="bob")
        farm.interventions.delete_order("b", actor="bob")
        return found

    monkeypatch.setattr(interventions, "list_failed", list_then_others_press)
    attempts = must_be_failed(farm, second)
    assert farm.interventions.retry_failures(of("unavailable"), actor="ann") == (1, 2)
    assert (get_task(farm, third).status, must_be_failed(farm, second)) == ("running", attempts)
    assert audited(farm) == [f"task:{get_task(farm, task_id).task_id}" for task_id in (first, third)]


def must_be_failed(farm: Farm, task_id: int) -> str:
    task = get_task(farm, task_id)
    assert task.status == "failed"
    return str(task.finished_at)
