"""The forecast over a farm's rows: what raises it at once, what it knows of chains and pauses, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import event

from jobs.comfyui import servers
from jobs.comfyui.models import Server
from jobs.farm import Farm
from jobs.forecast import forecast
from jobs.forecast.span import SecondsLeft
from jobs.orders import limits, pauses, pending
from jobs.orders.models import Call
from jobs.settings import Settings
from tests import builders
from tests.builders import CLOUD, ONE_STEP, OTHER_SERVER, SERVER, TWO_STEPS, accept, change, finish, must_claim, stock


@pytest.fixture
def farm(settings: Settings) -> Iterator[Farm]:
    """With two servers and two clouds."""
    keys = builders.with_key() | {"dashscope_api_key": SecretStr("not a real key")}
    with builders.open_farm(settings, **keys) as farm:
        stock(farm, SERVER, OTHER_SERVER)
        yield farm


def make_measured(
    farm: Farm, seconds: float, *, pictures: int = 6, style: str = ONE_STEP, resource: str = "comfyui"
) -> None:
    """Pictures that took so long each."""
    accept(farm, pictures, style=style, order_id=f"measured-{style}")
    for _ in range(pictures):
        claimed = must_claim(farm, resource=resource)
        finish(farm, claimed)
        end = builders.seconds_ago(0)
        change(farm, Call, claimed.call.id, opened_at=end - timedelta(seconds=seconds), closed_at=end, server=None)


def look(farm: Farm, task_ids: list[int]) -> dict[int, SecondsLeft | None]:
    """As another process sees it, that has not looked yet."""
    other = Farm(farm.settings)
    try:
        return other.database.read(other.forecast.seconds_left, task_ids)
    finally:
        other.close()


def look_at(farm: Farm, task_id: int) -> SecondsLeft:
    found = look(farm, [task_id])[task_id]
    assert found is not None
    return found


def look_at_new(farm: Farm, style: str) -> SecondsLeft | None:
    other = Farm(farm.settings)
    try:
        return other.database.read(other.forecast.seconds_for_new)[style]
    finally:
        other.close()


@contextmanager
def counted_statements(farm: Farm) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    event.listen(farm.database.engine, "before_cursor_execute", note)
    yield statements
    event.remove(farm.database.engine, "before_cursor_execute", note)


def test_the_queue_ahead_is_shared_by_the_servers_that_are_well(farm: Farm) -> None:
    make_measured(farm, 20)
    ids = accept(farm, 6)
    seen = look(farm, ids)
    rounds = [round(seen[task_id].middle / 20) for task_id in ids]  # type: ignore[union-attr]
    assert rounds == [1, 1, 2, 2, 3, 3]
    last = look_at(farm, ids[-1])
    assert last.low < last.middle < last.high
    new = look_at_new(farm, ONE_STEP)
    assert new is not None and new.middle > last.middle


def test_a_server_that_is_set_aside_or_drained_raises_everybody_s_time_at_once(farm: Farm) -> None:
    make_measured(farm, 10)
    last = accept(farm, 8)[-1]
    before = look_at(farm, last)
    farm.database.write(servers.set_aside, OTHER_SERVER, "it does not answer")
    after = look_at(farm, last)
    assert after.low > before.low and after.middle > before.middle + 30 and after.high > before.high
    change(farm, Server, SERVER, drained=True)
    assert look(farm, [last]) == {last: None} and look_at_new(farm, ONE_STEP) is None
    farm.database.write(servers.bring_back, OTHER_SERVER, None)
    assert look_at(farm, last).middle == pytest.approx(after.middle, abs=2)


def test_a_pause_is_waited_for_and_one_without_an_end_leaves_nothing_to_say(farm: Farm) -> None:
    make_measured(farm, 10, style=CLOUD, resource="api", pictures=4)
    here, there = accept(farm, 1)[0], accept(farm, 1, style=CLOUD, order_id="cloud")[0]
    before = look(farm, [here, there])
    farm.database.write(pauses.pause, "provider:openai", "slow down", 60)
    after = look_at(farm, there)
    assert after.low > 60 and look_at(farm, here).middle <= before[here].middle + 1  # type: ignore[union-attr]
    farm.database.write(pauses.pause, f"style:{ONE_STEP}", "out of frames")
    farm.database.write(pauses.pause, "resource:api", "the line is down")
    other = accept(farm, 1, style=TWO_STEPS, order_id="other")[0]
    found = look(farm, [here, there, other])
    assert found[here] is None and found[there] is None and found[other] is not None


def test_a_chain_waits_in_the_queues_of_both_its_resources(farm: Farm) -> None:
    make_measured(farm, 10)
    alone = look_at_new(farm, TWO_STEPS)
    accept(farm, 8)
    behind = look_at_new(farm, TWO_STEPS)
    assert alone is not None and behind is not None and behind.middle > alone.middle + 30
    mixed = accept(farm, 1, style="poster-linocut", order_id="mixed")
    farm.database.write(pauses.pause, "resource:api", "for a while", 300)
    assert look_at(farm, mixed[0]).low >= 300


def test_what_runs_counts_from_its_start_and_on_a_lost_server_from_anew(farm: Farm) -> None:
    make_measured(farm, 20)
    task_id = accept(farm, 1)[0]
    claimed = must_claim(farm)
    change(farm, Call, claimed.call.id, opened_at=builders.seconds_ago(15))
    assert 3 < look_at(farm, task_id).middle < 7
    farm.database.write(servers.set_aside, str(claimed.call.server), "it does not answer")
    assert look_at(farm, task_id).middle > 19


def test_a_server_makes_one_picture_at_a_time_though_it_holds_two(farm: Farm) -> None:
    make_measured(farm, 20)
    farm.database.write(servers.set_aside, OTHER_SERVER, "it does not answer")
    ids = accept(farm, 2)
    assert {must_claim(farm).call.server, must_claim(farm).call.server} == {SERVER}
    seen = look(farm, ids)
    assert [round(seen[task_id].middle / 20) for task_id in ids] == [1, 2]  # type: ignore[union-attr]


def test_a_step_waits_for_its_retry_and_only_for_servers_that_can_make_it(farm: Farm) -> None:
    make_measured(farm, 10)
    ids = accept(farm, 1)
    builders.retry(farm, must_claim(farm), wait_s=40)
    assert look_at(farm, ids[0]).low > 40
    able = look_at_new(farm, "poster")
    farm.database.write(servers.bring_back, SERVER, builders.catalog_of(farm, ONE_STEP))
    farm.database.write(servers.bring_back, OTHER_SERVER, builders.catalog_of(farm, ONE_STEP))
    assert able is not None and look_at_new(farm, "poster") is None and look_at_new(farm, ONE_STEP) is not None


def test_a_look_serves_everybody_for_a_second_and_asks_as_many_questions_of_a_long_queue_as_of_a_short_one(
    farm: Farm,
) -> None:
    make_measured(farm, 10)
    ids = accept(farm, 2)
    other = Farm(farm.settings)
    other.database.read(other.forecast.look)  # it has seen the catalogs and recipes

    def count(task_ids: list[int]) -> int:
        other.forecast._looked_at -= 60
        with counted_statements(other) as statements:
            other.database.read(other.forecast.look, task_ids)
        return len(statements)

    few = count(ids)
    more = accept(farm, 40, order_id="many")
    assert count(more) == few <= 12
    with counted_statements(other) as statements:
        for _ in range(200):
            other.database.read(other.forecast.look, more)
    assert statements == []
    fresh = accept(farm, 1, order_id="fresh")
    with counted_statements(other) as statements:
        assert other.database.read(other.forecast.look, fresh).tasks[fresh[0]] is not None
    assert len([text for text in statements if "FROM" in text]) <= 2  # the new ones, and on PostgreSQL the clock
    other.close()


def test_a_server_s_picture_is_measured_without_its_wait_for_the_one_before_it(farm: Farm) -> None:
    accept(farm, 3)
    for closed_ago in (14, 8):
        claimed = must_claim(farm)
        finish(farm, claimed)
        times = {"opened_at": builders.seconds_ago(20), "closed_at": builders.seconds_ago(closed_ago)}
        change(farm, Call, claimed.call.id, server=SERVER, **times)
    builders.fail(farm, must_claim(farm))  # what fails tells nothing of how long a picture takes
    samples = farm.database.read(pending.list_samples)
    assert [round(sample.seconds) for sample in samples] == [6, 6]


def test_a_lowered_limit_is_in_the_times_too(farm: Farm) -> None:
    make_measured(farm, 10)
    last = accept(farm, 4)[-1]
    before = look_at(farm, last)
    farm.database.write(limits.set_limit, "comfyui", 1, 10)
    assert look_at(farm, last).middle > before.middle + 15


def test_a_forecast_that_fails_costs_nobody_an_order(
    farm: Farm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ArithmeticError

    monkeypatch.setattr(forecast, "simulate", fail)
    ids = accept(farm, 1)
    assert builders.get_task(farm, ids[0]).promised_low_at is None
    assert farm.database.read(farm.forecast.seconds_left, ids) == {ids[0]: None}
    assert [record.message for record in caplog.records].count("nothing can be forecast") == 1
