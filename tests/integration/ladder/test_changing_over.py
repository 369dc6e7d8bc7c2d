"""A step that waits changes over to an alternative (S12): when, to which, and every fence."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from jobs.comfyui import servers
from jobs.engine.claims import has_untried_server
from jobs.engine.ladder import Change
from jobs.engine.rings import queue_of
from jobs.errors import ClaimLost
from jobs.farm import Farm
from jobs.orders import pauses, repairs
from jobs.orders.models import Task
from jobs.orders.pauses import path_scope
from jobs.settings import Settings
from jobs.styles.ladder import Rung
from tests import builders
from tests.builders import (
    OTHER_SERVER,
    SERVER,
    change,
    claim,
    get_step,
    get_task,
    list_calls,
    must_claim,
    read_everything,
    seconds_ago,
    send,
    stock,
)
from tests.ladders import (
    ARK,
    CLOUD_STEP,
    FRAME,
    NAME,
    WORKFLOW,
    change_over,
    leave,
    list_changes,
    list_details,
    open_laddered,
    take_in,
    when,
    write_style,
)


@pytest.mark.parametrize("pause_s", [None, 31.0])
@pytest.mark.parametrize("scope", ["provider:openai", "resource:api", path_scope(NAME, 0, 0)])
def test_what_waits_for_something_paused_for_long_changes_over(
    farm: Farm, styles: Path, scope: str, pause_s: float | None
) -> None:
    (step_id,) = take_in(farm, styles, CLOUD_STEP, ARK + when("paused"), WORKFLOW + when("slow", "paused", after_s=9))
    assert list_changes(farm) == []
    farm.database.write(pauses.pause, scope, "by the test", pause_s)
    farm.redis.flushall()
    (one,) = farm.database.read(farm.ladder.list_changes)
    change_over(farm, one)
    step = get_step(farm, step_id)
    assert (step.status, step.attempt, step.rung, step.rung_why) == ("queued", 2, 2, "paused")
    assert (step.resource, step.provider) == ("comfyui", None)
    assert list_details(farm, "S12") == [{"why": "paused", "rung": 2, "from": "api/openai", "to": "comfyui"}]
    rung_for = [(job.kwargs["step_id"], job.kwargs["attempt"]) for job in queue_of("comfyui", farm.redis).jobs]
    assert rung_for == [(step_id, 2)]
    assert list_changes(farm) == []
    assert must_claim(farm).call.server == SERVER


def test_a_short_pause_is_waited_for_by_the_setting(settings: Settings, styles: Path) -> None:
    with open_laddered(settings, styles, fallback_pause_s=5) as farm:
        take_in(farm, styles, CLOUD_STEP, FRAME + when("paused"))
        farm.database.write(pauses.pause, "provider:openai", "busy", 4.0)
        assert list_changes(farm) == []
        farm.database.write(pauses.pause, "provider:openai", "busy", 20.0)
        assert len(list_changes(farm)) == 1


def test_a_pause_without_an_alternative_for_it_is_waited_for(farm: Farm, styles: Path) -> None:
    take_in(farm, styles, CLOUD_STEP, FRAME + when("refused"), ARK + when("paused"))
    farm.database.write(pauses.pause, "provider:openai", "by the test")
    assert list_changes(farm) == []
    assert claim(farm, resource="api") is None


def test_what_has_not_begun_in_time_changes_over(farm: Farm, styles: Path) -> None:
    (step_id,) = take_in(farm, styles, CLOUD_STEP, FRAME + when("slow", after_s=40))
    (task,) = {step.task_id for step in builders.list_steps(farm)}
    change(farm, Task, task, created_at=seconds_ago(39))
    assert list_changes(farm) == []
    change(farm, Task, task, created_at=seconds_ago(41))
    assert list_changes(farm) == [(step_id, 1, "slow")]
    must_claim(farm, resource="api")
    assert list_changes(farm) == [], "a step that is being made was to change over"


@pytest.mark.parametrize("sent", [True, False])
def test_a_step_with_an_open_call_has_begun_and_is_adopted(farm: Farm, styles: Path, sent: bool) -> None:
    (step_id,) = take_in(farm, styles, CLOUD_STEP, FRAME + when("slow", "paused", after_s=1))
    waiting = Change(step_id, 2, rung_of(farm, step_id, 1), "slow")
    claimed = must_claim(farm, "worker-1", "api")
    if sent:
        send(farm, claimed)
    farm.database.write(repairs.release_step, step_id, actor="pool", worker="worker-1")
    change(farm, Task, claimed.held.task_id, created_at=seconds_ago(60))
    farm.database.write(pauses.pause, "provider:openai", "by the test")
    assert list_changes(farm) == []
    before = read_everything(farm)
    with pytest.raises(ClaimLost):
        change_over(farm, waiting)
    assert read_everything(farm) == before
    assert must_claim(farm, "worker-2", "api").adopted


def rung_of(farm: Farm, step_id: int, number: int) -> Rung:
    step = get_step(farm, step_id)
    recipe_id = get_task(farm, step.task_id).recipe_id
    return farm.database.read(lambda session: farm.ladder.look(session).know(recipe_id).ladders[step.position][number])


def test_two_reconcilers_at_once_change_over_once(farm: Farm, styles: Path) -> None:
    ladder = (CLOUD_STEP, FRAME + when("paused"), WORKFLOW + when("paused"))
    step_ids = take_in(farm, styles, *ladder, tasks=6)
    farm.database.write(pauses.pause, "provider:openai", "by the test")
    barrier, lost = threading.Barrier(2), list[int]()

    def sweep() -> None:
        found = farm.database.read(farm.ladder.list_changes)
        barrier.wait(20)
        for one in found:
            try:
                change_over(farm, one)
            except ClaimLost:
                lost.append(one.step_id)

    threads = [threading.Thread(target=sweep) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(lost) == step_ids
    assert [(step.rung, step.attempt) for step in builders.list_steps(farm)] == [(1, 2)] * 6
    assert builders.list_moves(farm).count("S12") == 6


def test_what_was_canceled_or_claimed_meanwhile_does_not_change_over(farm: Farm, styles: Path) -> None:
    step_ids = take_in(farm, styles, CLOUD_STEP, FRAME + when("paused", "refused"), tasks=2)
    first, second = (get_step(farm, step_id).task_id for step_id in step_ids)
    held = must_claim(farm, resource="api")
    assert held.held.task_id == first
    farm.database.write(repairs.cancel_task, first, actor="booth")
    farm.database.write(pauses.pause, "provider:openai", "by the test")
    found = farm.database.read(farm.ladder.list_changes)
    assert [one.step_id for one in found] == step_ids[1:]
    farm.database.write(repairs.cancel_task, second, actor="booth")
    before = read_everything(farm)
    with pytest.raises(ClaimLost):
        leave(farm, held, "refused")
    with pytest.raises(ClaimLost):
        change_over(farm, found[0])
    assert read_everything(farm) == before


def test_servers_are_chosen_by_what_the_rung_needs(farm: Farm, styles: Path) -> None:
    other = WORKFLOW.replace("frame.json", "other.json")
    write_style(styles, NAME, (WORKFLOW, other + when("slow", after_s=1)))
    source = (styles / NAME / "frame.json").read_text(encoding="utf-8")
    assert source.count('"SaveImage"') == 1
    (styles / NAME / "other.json").write_text(source.replace('"SaveImage"', '"SaveImageElsewhere"'), encoding="utf-8")
    stock(farm, SERVER, styles=("framed-print",))
    assert builders.submit(farm, builders.make_booth(farm), style=NAME)
    (step,) = builders.list_steps(farm)
    change(farm, Task, step.task_id, created_at=seconds_ago(5))
    assert farm.database.read(has_untried_server, farm.abilities, step.id, None), "rung 0 is asked about first"
    assert list_changes(farm) == [], "no server has what the alternative needs"
    catalog = builders.catalog_of(farm, NAME) | {"SaveImageElsewhere": {}}
    farm.database.write(servers.sync_servers, (OTHER_SERVER, SERVER))
    farm.database.write(servers.bring_back, OTHER_SERVER, catalog)
    assert list_changes(farm) == [(step.id, 1, "slow")]
    change_over(farm, farm.database.read(farm.ladder.list_changes)[0])
    assert must_claim(farm).call.server == OTHER_SERVER
    assert not farm.database.read(has_untried_server, farm.abilities, step.id, OTHER_SERVER)


def test_the_reconciler_changes_over_by_itself_and_the_frame_is_made(farm: Farm, styles: Path) -> None:
    (step_id,) = take_in(farm, styles, CLOUD_STEP, FRAME + when("paused"))
    farm.database.write(pauses.pause, "provider:openai", "by the test")
    farm.reconciler().sweep()
    farm.taker("api").take("worker-1", should_stop=lambda: False, note=lambda words: None)
    step, (image,), (call,) = get_step(farm, step_id), builders.list_images(farm), list_calls(farm)
    assert (step.status, step.rung, get_task(farm, step.task_id).status) == ("succeeded", 1, "succeeded")
    assert (image.width, image.height) == (400, 600)
    assert image.made_by is not None and image.made_by["why"] == "paused"
    assert (call.provider, call.outcome, call.price, call.cost) == ("frame", "succeeded", 0.0, 0.0)
