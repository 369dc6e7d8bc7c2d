"""What was promised at acceptance: written with the task, what the booth is shown, judged once it has succeeded."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest

from jobs.access.booths import create_booth
from jobs.farm import Farm
from jobs.orders import promises, repairs, tallies
from jobs.orders.models import Task
from tests import builders
from tests.builders import ONE_STEP, accept, change, fail, finish, get_task, must_claim, seconds_ago
from web import create_app


def promise(farm: Farm, task_id: int, low: float, high: float) -> None:
    """As if between so many seconds from now had been promised, when it was accepted 20 seconds ago."""
    change(
        farm,
        Task,
        task_id,
        created_at=seconds_ago(20),
        promised_low_at=seconds_ago(-low),
        promised_high_at=seconds_ago(-high),
    )


def counted(farm: Farm) -> dict[tuple[str, tuple[str, ...]], float]:
    counts = farm.database.read(tallies.read_tallies).counts
    return {key: round(value) for key, value in counts.items() if key[0].startswith("promises")}


def test_what_the_booth_is_shown_at_its_submission_is_what_is_kept(farm: Farm) -> None:
    builders.stock(farm)
    key = farm.database.write(create_booth, "booth-1")
    client = create_app(farm).test_client()
    answer = client.post(
        "/api/v1/orders",
        headers={"Authorization": f"Bearer {key}"},
        data={"order_id": "order-1", "style": ONE_STEP, "photo": (io.BytesIO(builders.make_photo()), "photo.png")},
    )
    assert answer.status_code == 202
    shown = answer.get_json()["tasks"][0]
    task = get_task(farm, 1)
    assert task.promised_low_at is not None and task.promised_high_at is not None
    low, high = ((moment - task.created_at).total_seconds() for moment in (task.promised_low_at, task.promised_high_at))
    assert shown["eta_range_s"]["low"] == pytest.approx(low, abs=1)
    assert shown["eta_range_s"]["high"] == pytest.approx(high, abs=1)
    assert low < shown["eta_s"] < high
    queue = client.get("/api/v1/queue", headers={"Authorization": f"Bearer {key}"}).get_json()["next_eta_range_s"]
    assert queue[ONE_STEP]["low"] >= low and queue["watercolour-cloud"] is None


def test_each_picture_is_counted_as_kept_early_or_late_and_nothing_else_is(farm: Farm) -> None:
    ids = accept(farm, 6)
    for task_id, (low, high) in zip(ids, [(-5, 5), (10, 20), (-10, -4), (-5, 5), (-9, 9), (-9, 9)], strict=True):
        promise(farm, task_id, low, high)
    change(farm, Task, ids[3], promised_low_at=None, promised_high_at=None)  # of before there were promises
    for _ in range(4):
        finish(farm, must_claim(farm))
    fail(farm, must_claim(farm), kind="content_refused")
    farm.interventions.cancel_task(get_task(farm, ids[5]).task_id, actor="booth:b")
    assert counted(farm) == {
        ("promises", (ONE_STEP, "kept")): 1,
        ("promises", (ONE_STEP, "early")): 1,
        ("promises", (ONE_STEP, "late")): 1,
        ("promises_missed_seconds", (ONE_STEP, "early")): 10,
        ("promises_missed_seconds", (ONE_STEP, "late")): 4,
    }
    found = farm.database.read(promises.read_kept, seconds_ago(60))
    assert (found.kept, found.early, found.late, found.share) == (1, 1, 1, 1 / 3)
    assert found.real == pytest.approx(20, abs=2) and found.promised == pytest.approx((15, 25), abs=2)
    text = create_app(farm).test_client().get("/metrics").get_data(as_text=True)
    assert f'farm_promises_total{{outcome="late",style="{ONE_STEP}"}} 1.0' in text
    assert f'farm_promises_missed_seconds_total{{outcome="early",style="{ONE_STEP}"}} ' in text


def test_before_the_first_picture_nothing_is_said_of_promises(farm: Farm) -> None:
    accept(farm, 1)
    found = farm.database.read(promises.read_kept, seconds_ago(60))
    assert (found.share, found.promised, found.real) == (None, None, None)
    finish(farm, must_claim(farm))
    assert farm.database.read(promises.read_kept, seconds_ago(-60)).share is None  # only of that evening


def test_a_failed_task_that_is_tried_again_is_promised_anew_to_a_booth_and_nothing_by_an_operator(farm: Farm) -> None:
    builders.stock(farm)
    booth = builders.make_booth(farm)
    assert builders.submit(farm, booth)
    fail(farm, must_claim(farm), kind="unavailable")
    promise(farm, 1, -15, -10)
    assert builders.submit(farm, booth)
    again = get_task(farm, 1).promised_high_at
    assert again is not None and again > seconds_ago(0)
    fail(farm, must_claim(farm), kind="unavailable")
    farm.database.write(repairs.revive_task, 1, actor="admin", deadline_s=60)
    assert get_task(farm, 1).promised_high_at is None


def test_another_take_has_a_promise_of_its_own(farm: Farm) -> None:
    task_id = accept(farm, 1)[0]
    finish(farm, must_claim(farm))
    farm.interventions.redo(get_task(farm, task_id).task_id, actor="booth:b")
    task = get_task(farm, task_id + 1)
    assert task.promised_high_at is not None and task.promised_high_at > task.created_at + timedelta(seconds=1)
