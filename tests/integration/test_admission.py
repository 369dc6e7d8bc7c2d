"""Admission: exact under a rush, once for each submission, and refusals that leave nothing behind."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pytest

from jobs import errors
from jobs.access.booths import BoothId
from jobs.engine.rings import count_rings
from jobs.farm import Farm
from jobs.orders import book, pauses, repairs
from jobs.orders.models import Order, Task
from jobs.settings import Settings
from tests import builders
from tests.builders import (
    accept,
    change,
    fail,
    finish,
    get_task,
    list_files,
    make_booth,
    must_claim,
    open_farm,
    stock,
    submit,
)


def at_once(number: int, action: Callable[[int], object]) -> list[object]:
    """Run `action(0…)` in so many threads that start together; what each returned or raised."""
    barrier, results = threading.Barrier(number), list[object]()

    def run(index: int) -> None:
        barrier.wait(30)
        try:
            results.append(action(index))
        except errors.FarmError as exc:
            results.append(type(exc))

    threads = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def count_tasks(farm: Farm) -> int:
    return sum(farm.database.read(book.count_by_status).values())


def test_a_rush_fills_the_queue_exactly(settings: Settings) -> None:
    with open_farm(settings, serves_web=True, queue_limit=12) as farm:
        stock(farm)
        booth = make_booth(farm)
        results = at_once(40, lambda index: submit(farm, booth, order_id=f"order-{index}", first_photo=index))
        assert Counter(results) == {True: 12, errors.QueueFull: 28}
        assert count_tasks(farm) == 12
        assert len(list_files(farm)) == 12, "a refused submission left its photo behind"
        assert count_rings(farm.redis, "comfyui") == 12


def test_twenty_identical_submissions_are_taken_once(settings: Settings) -> None:
    with open_farm(settings, serves_web=True) as farm:
        stock(farm)
        booth = make_booth(farm)
        results = at_once(20, lambda index: submit(farm, booth, photos=2))
        assert Counter(results) == {True: 1, False: 19}
        assert count_tasks(farm) == 2
        assert len(list_files(farm)) == 2


def test_twenty_identical_submissions_are_taken_once_without_redis_too(settings: Settings) -> None:
    with open_farm(settings, serves_web=True, redis_url="redis://127.0.0.1:1/0") as farm:
        stock(farm)
        booth = make_booth(farm)
        results = at_once(20, lambda index: submit(farm, booth, photos=2))
        assert Counter(results) == {True: 1, False: 19}
        assert count_tasks(farm) == 2
        assert len(list_files(farm)) == 2


def test_all_photos_of_a_submission_are_taken_or_none(settings: Settings) -> None:
    with open_farm(settings, queue_limit=3) as farm:
        accept(farm, 2)
        with pytest.raises(errors.QueueFull):
            submit(farm, make_booth(farm), order_id="order-2", photos=2)
        assert count_tasks(farm) == 2
        assert len(list_files(farm)) == 2


def test_two_photos_are_two_tasks_and_the_same_photo_twice_is_one(farm: Farm) -> None:
    stock(farm)
    booth = make_booth(farm)
    assert submit(farm, booth, photos=2)
    assert count_tasks(farm) == 2
    photo = builders.make_photo(5)
    assert farm.admission.admit(booth, builders.Submission("order-2", builders.ONE_STEP, {}, [photo, photo]))
    assert count_tasks(farm) == 3


def test_new_photos_styles_and_options_add_to_an_order_and_repeated_ones_do_not(farm: Farm) -> None:
    stock(farm)
    booth = make_booth(farm)
    assert submit(farm, booth)
    assert not submit(farm, booth)
    assert submit(farm, booth, photos=2)
    assert submit(farm, booth, style=builders.TWO_STEPS)
    assert submit(farm, booth, style=builders.TWO_STEPS, options={"ink": 0.5})
    assert not submit(farm, booth, style=builders.TWO_STEPS, options={"ink": 0.5, "unknown": 1})
    assert count_tasks(farm) == 4
    assert len(list_files(farm)) == 2, "one photo in many styles is one file"


def test_another_booths_order_id_is_taken_and_ids_differ_by_case(farm: Farm) -> None:
    accept(farm, order_id="AB")
    other = make_booth(farm, "other")
    with pytest.raises(errors.OrderTaken):
        submit(farm, other, order_id="AB")
    assert submit(farm, other, order_id="ab")


def test_an_order_closes_for_new_photos_but_still_answers_repeated_ones(settings: Settings) -> None:
    with open_farm(settings, order_open_s=60.0) as farm:
        stock(farm)
        booth = make_booth(farm)
        assert submit(farm, booth)
        change(farm, Order, 1, created_at=builders.seconds_ago(61))
        assert not submit(farm, booth)
        with pytest.raises(errors.OrderClosed):
            submit(farm, booth, photos=2)
        assert len(list_files(farm)) == 1


def test_a_deleted_orders_id_is_gone(farm: Farm) -> None:
    stock(farm)
    booth = make_booth(farm)
    submit(farm, booth)
    farm.interventions.delete_order("order-1", actor="booth", booth_id=booth.id)
    with pytest.raises(errors.OrderDeleted):
        submit(farm, booth)
    assert list_files(farm) == []


@pytest.mark.parametrize(("kind", "comes_back"), [("unavailable", True), ("deadline", True), ("bad_answer", False)])
def test_only_a_task_that_failed_for_a_passing_reason_comes_back_by_itself(
    farm: Farm, kind: str, comes_back: bool
) -> None:
    stock(farm)
    booth = make_booth(farm)
    submit(farm, booth)
    fail(farm, must_claim(farm), kind=kind)
    files = list_files(farm)
    assert submit(farm, booth) is comes_back
    assert get_task(farm, 1).status == ("running" if comes_back else "failed")
    assert count_tasks(farm) == 1
    assert list_files(farm) == files
    if comes_back:
        assert not submit(farm, booth)
        assert finish(farm, must_claim(farm))


def test_ten_repeated_submissions_at_once_revive_a_task_once(settings: Settings) -> None:
    with open_farm(settings, serves_web=True) as farm:
        stock(farm)
        booth = make_booth(farm)
        submit(farm, booth)
        fail(farm, must_claim(farm))
        assert Counter(at_once(10, lambda index: submit(farm, booth))) == {True: 1, False: 9}
        assert builders.list_steps(farm)[0].attempt == 2
        assert builders.list_moves(farm).count("S9") == 1


def refuse_style(farm: Farm, booth: BoothId) -> None:
    submit(farm, booth, style="../x")


def refuse_options(farm: Farm, booth: BoothId) -> None:
    submit(farm, booth, style=builders.TWO_STEPS, options={"ink": 2})


def refuse_photo(farm: Farm, booth: BoothId) -> None:
    good = builders.make_photo()
    farm.admission.admit(booth, builders.Submission("order-1", builders.ONE_STEP, {}, [good, b"GIF89a"]))


def refuse_style_without_server(farm: Farm, booth: BoothId) -> None:
    submit(farm, booth, style="portrait-oil")


def refuse_style_without_key(farm: Farm, booth: BoothId) -> None:
    submit(farm, booth, style=builders.CLOUD)


def refuse_while_intake_is_paused(farm: Farm, booth: BoothId) -> None:
    farm.database.write(pauses.pause, "intake", "cleaning")
    submit(farm, booth)


def refuse_without_disk(farm: Farm, booth: BoothId) -> None:
    farm.storage.reserve_mb = 10**12
    submit(farm, booth)


@pytest.mark.parametrize(
    ("refuse", "error"),
    [
        (refuse_style, errors.StyleUnknown),
        (refuse_options, errors.OptionsRejected),
        (refuse_photo, errors.PhotoRejected),
        (refuse_style_without_server, errors.StyleUnavailable),
        (refuse_style_without_key, errors.StyleUnavailable),
        (refuse_while_intake_is_paused, errors.IntakePaused),
        (refuse_without_disk, errors.StorageFull),
    ],
)
def test_a_refused_submission_leaves_nothing_behind(
    farm: Farm, refuse: Callable[[Farm, BoothId], None], error: type[errors.FarmError]
) -> None:
    stock(farm, styles=(builders.ONE_STEP, builders.TWO_STEPS))
    booth = make_booth(farm)
    with pytest.raises(error):
        refuse(farm, booth)
    assert count_tasks(farm) == 0
    assert list_files(farm) == []
    assert count_rings(farm.redis, "comfyui") == 0


def test_a_started_task_makes_room_in_the_queue_for_good(settings: Settings) -> None:
    with open_farm(settings, queue_limit=1) as farm:
        accept(farm)
        booth = make_booth(farm)
        with pytest.raises(errors.QueueFull):
            submit(farm, booth, order_id="order-2")
        claimed = must_claim(farm, "worker-1")
        farm.database.write(repairs.release_step, claimed.held.step_id, actor="pool", worker="worker-1", crashed=True)
        assert submit(farm, booth, order_id="order-2")


def test_a_full_queue_does_not_keep_a_failed_task_from_coming_back(settings: Settings) -> None:
    with open_farm(settings, queue_limit=1) as farm:
        stock(farm)
        booth = make_booth(farm)
        submit(farm, booth)
        fail(farm, must_claim(farm))
        submit(farm, booth, order_id="order-2")
        assert submit(farm, booth)
        assert farm.database.read(lambda session: session.get_one(Task, 1).status) == "running"
