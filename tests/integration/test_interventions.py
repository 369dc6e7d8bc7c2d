"""Retry, redo, cancel and delete: each is a move with its audit, for whoever may."""

from __future__ import annotations

import pytest

from jobs import errors
from jobs.access import audit
from jobs.engine.changes import progress_key
from jobs.farm import Farm
from jobs.orders import book
from jobs.orders.models import Order, Photo, Task
from jobs.settings import Settings
from tests import builders
from tests.builders import accept, fail, finish, get_task, list_calls, list_files, must_claim, open_farm, send


def test_an_operators_retry_is_a_new_attempt_and_is_written_down(farm: Farm) -> None:
    (task_id,) = accept(farm)
    fail(farm, must_claim(farm), kind="bug")
    public_id = get_task(farm, task_id).task_id
    farm.interventions.retry(public_id, actor="operator:ann")
    assert get_task(farm, task_id).status == "running"
    assert must_claim(farm).held.attempt == 2
    entries = farm.database.read(audit.list_for, f"task:{public_id}")
    assert [(entry.actor, entry.action) for entry in entries] == [("operator:ann", "retry")]


@pytest.mark.parametrize("ending", ["queued", "running", "succeeded", "canceled"])
def test_only_a_failed_task_can_be_retried(farm: Farm, ending: str) -> None:
    (task_id,) = accept(farm)
    public_id = get_task(farm, task_id).task_id
    if ending in ("running", "succeeded"):
        claimed = must_claim(farm)
    if ending == "succeeded":
        finish(farm, claimed)
    if ending == "canceled":
        farm.interventions.cancel_task(public_id, actor="booth")
    before = builders.read_everything(farm)
    with pytest.raises(errors.Conflict):
        farm.interventions.retry(public_id, actor="operator:ann")
    assert builders.read_everything(farm) == before


def test_a_redo_is_another_take_that_waits_for_the_first(settings: Settings) -> None:
    with open_farm(settings, queue_limit=1) as farm:
        (task_id,) = accept(farm)
        public_id = get_task(farm, task_id).task_id
        with pytest.raises(errors.Conflict):
            farm.interventions.redo(public_id, actor="operator:ann")
        finish(farm, must_claim(farm))
        again = farm.interventions.redo(public_id, actor="operator:ann")
        task = farm.database.read(book.find_task, again)
        assert (task.take, task.status, task.photo_sha256) == (1, "queued", get_task(farm, task_id).photo_sha256)
        assert len(list_files(farm)) == 3, "the photo is kept once, beside the first take's picture and thumbnail"


def test_a_redo_is_admitted_like_any_new_task(settings: Settings) -> None:
    with open_farm(settings, queue_limit=1) as farm:
        (task_id,) = accept(farm)
        finish(farm, must_claim(farm))
        accept(farm, order_id="order-2")
        with pytest.raises(errors.QueueFull):
            farm.interventions.redo(get_task(farm, task_id).task_id, actor="operator:ann")


def test_a_booth_finds_only_its_own_orders(farm: Farm) -> None:
    (task_id,) = accept(farm)
    public_id, stranger = get_task(farm, task_id).task_id, builders.make_booth(farm, "stranger").id
    before = builders.read_everything(farm)
    with pytest.raises(errors.OrderNotFound):
        farm.interventions.cancel_task(public_id, actor="booth:stranger", booth_id=stranger)
    with pytest.raises(errors.OrderNotFound):
        farm.interventions.redo(public_id, actor="booth:stranger", booth_id=stranger)
    with pytest.raises(errors.OrderNotFound):
        farm.interventions.delete_order("order-1", actor="booth:stranger", booth_id=stranger)
    assert builders.read_everything(farm) == before


def test_canceling_an_order_cancels_what_is_open_and_leaves_what_has_ended(farm: Farm) -> None:
    accept(farm, 3)
    finish(farm, must_claim(farm))
    send(farm, must_claim(farm))
    farm.interventions.cancel_order("order-1", actor="booth")
    farm.interventions.cancel_order("order-1", actor="booth")
    tasks = farm.database.read(book.load_order, "order-1").tasks
    assert [task.status for task in tasks] == ["succeeded", "canceled", "canceled"]
    assert [call.state for call in list_calls(farm)] == ["closed", "closing"]
    assert builders.list_moves(farm).count("S11") == 2


def test_deleting_removes_files_pictures_and_texts_and_keeps_the_receipt(farm: Farm) -> None:
    first, second = accept(farm, 2, style=builders.TWO_STEPS)
    finish(farm, must_claim(farm))
    running = must_claim(farm)
    send(farm, running)
    builders.change(farm, Task, second, options={"ink": 0.5})
    farm.announcer.report_progress(running.held.order_id, first, 0.5, "making")
    assert len(list_files(farm)) == 4
    receipt = farm.interventions.delete_order("order-1", actor="booth:b")
    assert (receipt["order_id"], receipt["tasks"], receipt["files"]) == ("order-1", 2, 4)
    (remain,) = receipt["may_remain"]
    assert (remain["place"], remain["server"]) == ("comfyui", builders.SERVER)
    assert remain["what"] == "input and output files, until that host removes them for their age"
    assert "until" not in remain, "nobody is asked, so nobody can promise"
    assert list_files(farm) == []
    assert builders.list_images(farm) == []
    assert farm.redis.exists(progress_key(first)) == 0
    photos, order = farm.database.read(lambda session: (session.query(Photo).all(), session.get_one(Order, 1)))
    assert [photo.path for photo in photos] == [None, None]
    assert (order.receipt, order.link_number) == (receipt, 2)
    assert order.deleted_at is not None
    assert get_task(farm, second).options == {}
    assert [call.state for call in list_calls(farm)] == ["closed", "closing"]
    with pytest.raises(errors.OrderDeleted):
        farm.interventions.delete_order("order-1", actor="booth:b")
    with pytest.raises(errors.ClaimLost):
        finish(farm, running)
    assert builders.list_images(farm) == []
