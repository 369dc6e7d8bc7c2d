"""Changing over to an alternative: each reason, what an alternative must fulfil, and every fence."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from jobs.access.models import AuditEntry
from jobs.cloud.standing import list_standings
from jobs.comfyui import servers
from jobs.engine.claims import Claim, has_untried_server
from jobs.engine.ladder import Change
from jobs.engine.rings import queue_of
from jobs.errors import ClaimLost, NotFound, StyleUnavailable
from jobs.farm import Farm
from jobs.orders import pauses, repairs, rungs, tallies
from jobs.orders.models import Event, Step, Task
from jobs.orders.pauses import path_scope
from jobs.settings import Settings
from jobs.styles.ladder import Reason, Rung
from tests import builders
from tests.builders import (
    OTHER_SERVER,
    SERVER,
    accept,
    change,
    claim,
    finish,
    get_step,
    get_task,
    list_calls,
    must_claim,
    open_farm,
    read_everything,
    seconds_ago,
    send,
    stock,
    with_key,
)
from tests.ladders import CLOUD_STEP, FRAME, WORKFLOW, when, write_style

NAME = "laddered"
ARK = CLOUD_STEP.replace("openai", "ark")
"""An alternative that nobody has configured."""


@pytest.fixture
def styles(tmp_path: Path) -> Path:
    return tmp_path / "styles"


@pytest.fixture
def farm(settings: Settings, styles: Path) -> Iterator[Farm]:
    """One with a key, whose style may be written by each test before its first order."""
    with open_with(settings, styles) as farm:
        yield farm


def open_with(settings: Settings, styles: Path, **changes: Any) -> AbstractContextManager[Farm]:
    return open_farm(settings, styles_dir=styles, **(with_key() | changes))


def take_in(farm: Farm, styles: Path, *ladder: str, tasks: int = 1) -> list[int]:
    """An order of a style of one step with these ways to make it; the ids of its steps."""
    write_style(styles, NAME, ladder)
    accept(farm, tasks, style=NAME)
    return [step.id for step in builders.list_steps(farm)][-tasks:]


def leave(farm: Farm, claimed: Claim, why: Reason, kind: str = "content_refused") -> Rung | None:
    """What a worker does when its attempt ended for good."""
    return farm.database.write(
        farm.ladder.leave, claimed.held, claimed.call.id, why, kind=kind, detail="", outcome="failed"
    )


def changes(farm: Farm) -> list[tuple[int, int, str]]:
    """(step, rung, why) that the reconciler would change now."""
    return [(one.step_id, one.rung.number, one.why) for one in farm.database.read(farm.ladder.list_changes)]


def change_over(farm: Farm, one: Change) -> None:
    farm.database.write(
        rungs.change_over, one.step_id, attempt=one.attempt, rung=one.rung, why=one.why, actor="reconciler"
    )


def list_details(farm: Farm, move: str) -> list[dict[str, Any]]:
    query = select(Event.detail).where(Event.move == move).order_by(Event.id)
    return farm.database.read(lambda session: list(session.scalars(query)))


@pytest.mark.parametrize(
    ("why", "kind"),
    [
        ("refused", "content_refused"),
        ("unavailable", "unavailable"),
        ("unavailable", "execution_failed"),
        ("unavailable", "bad_answer"),
    ],
)
def test_an_attempt_that_would_fail_the_task_goes_on_by_the_alternative(
    farm: Farm, styles: Path, why: Reason, kind: str
) -> None:
    (step_id,) = take_in(farm, styles, CLOUD_STEP, FRAME + when(why) + "timeout_s = 9\n")
    change(farm, Step, step_id, failures=7)
    claimed = must_claim(farm, resource="api")
    send(farm, claimed)
    assert leave(farm, claimed, why, kind) is not None
    step, (call,) = get_step(farm, step_id), list_calls(farm)
    assert (step.status, step.attempt, step.failures, step.claims, step.worker) == ("retrying", 2, 0, 0, None)
    assert (step.rung, step.rung_why, step.resource, step.provider, step.timeout_s) == (1, why, "api", "frame", 9)
    assert (call.state, call.outcome, call.provider) == ("closed", "failed", "openai")
    told = {"why": why, "rung": 1, "from": "api/openai", "to": "api/frame", "kind": kind, "outcome": "failed"}
    assert list_details(farm, "S5") == [told]
    farm.database.write(repairs.requeue_step, step_id, actor="reconciler")
    again = must_claim(farm, resource="api")
    assert (again.held.attempt, again.call.provider, again.adopted) == (2, "frame", False)
    assert finish(farm, again)
    (image,) = builders.list_images(farm)
    assert image.made_by == {"resource": "api", "provider": "frame", "model": None, "alternative": True, "why": why}


def test_a_picture_that_was_made_as_written_says_so(farm: Farm, styles: Path) -> None:
    write_style(styles, "at-servers", WORKFLOW)  # both are there before the first look at the folder
    take_in(farm, styles, CLOUD_STEP, FRAME)
    finish(farm, must_claim(farm, resource="api"))
    accept(farm, style="at-servers", order_id="order-2")
    finish(farm, must_claim(farm))
    cloud, server = (image.made_by for image in builders.list_images(farm))
    assert cloud == {
        "resource": "api",
        "provider": "openai",
        "model": "gpt-image-1.5",
        "alternative": False,
        "why": None,
    }
    assert server == {"resource": "comfyui", "server": SERVER, "alternative": False, "why": None}


def test_an_alternative_early_in_a_chain_marks_the_last_picture_too(farm: Farm, styles: Path) -> None:
    write_style(styles, NAME, (CLOUD_STEP, FRAME + when("refused")), WORKFLOW)
    accept(farm, style=NAME)
    claimed = must_claim(farm, resource="api")
    leave(farm, claimed, "refused")
    farm.database.write(repairs.requeue_step, claimed.held.step_id, actor="reconciler")
    finish(farm, must_claim(farm, resource="api"))
    finish(farm, must_claim(farm))
    last = builders.list_images(farm)[-1]
    assert last.final and last.made_by is not None
    assert (last.made_by["server"], last.made_by["alternative"], last.made_by["why"]) == (SERVER, True, "refused")


@pytest.mark.parametrize(
    "ladder",
    [
        (CLOUD_STEP,),
        (CLOUD_STEP, FRAME + when("unavailable", "paused")),
        (CLOUD_STEP, ARK + when("refused")),
        (CLOUD_STEP, FRAME + when("refused")),
    ],
    ids=["none", "another reason", "not configured", "switched off"],
)
def test_without_an_alternative_for_it_nothing_is_changed(
    farm: Farm, styles: Path, ladder: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    take_in(farm, styles, *ladder)
    if "switched off" in request.node.name:
        farm.switches.switch_path(NAME, 0, 1, on=False, actor="admin")
    claimed = must_claim(farm, resource="api")
    before = read_everything(farm)
    assert leave(farm, claimed, "refused") is None
    assert read_everything(farm) == before


@pytest.mark.parametrize(("seconds", "rung"), [(None, 2), (60.0, 2), (20.0, 1)])
def test_an_alternative_that_is_paused_for_long_is_passed_over(
    farm: Farm, styles: Path, seconds: float | None, rung: int
) -> None:
    take_in(farm, styles, WORKFLOW, CLOUD_STEP + when("refused"), FRAME + when("refused"))
    farm.database.write(pauses.pause, "provider:openai", "by the test", seconds)
    found = leave(farm, must_claim(farm), "refused")
    assert found is not None and found.number == rung


def test_a_step_goes_down_its_ladder_and_fails_at_the_end(farm: Farm, styles: Path) -> None:
    (step_id,) = take_in(farm, styles, CLOUD_STEP, WORKFLOW + when("refused"), FRAME + when("refused"))
    for resource in ("api", "comfyui"):
        assert leave(farm, must_claim(farm, resource=resource), "refused") is not None
        farm.database.write(repairs.requeue_step, step_id, actor="reconciler")
    last = must_claim(farm, resource="api")
    assert (last.held.attempt, last.call.provider) == (3, "frame")
    assert leave(farm, last, "refused") is None


@pytest.mark.parametrize("pause_s", [None, 31.0])
@pytest.mark.parametrize("scope", ["provider:openai", "resource:api", path_scope(NAME, 0, 0)])
def test_what_waits_for_something_paused_for_long_changes_over(
    farm: Farm, styles: Path, scope: str, pause_s: float | None
) -> None:
    (step_id,) = take_in(farm, styles, CLOUD_STEP, ARK + when("paused"), WORKFLOW + when("slow", "paused", after_s=9))
    assert changes(farm) == []
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
    assert changes(farm) == []
    assert must_claim(farm).call.server == SERVER


def test_a_short_pause_is_waited_for_by_the_setting(settings: Settings, styles: Path) -> None:
    with open_with(settings, styles, fallback_pause_s=5) as farm:
        take_in(farm, styles, CLOUD_STEP, FRAME + when("paused"))
        farm.database.write(pauses.pause, "provider:openai", "busy", 4.0)
        assert changes(farm) == []
        farm.database.write(pauses.pause, "provider:openai", "busy", 20.0)
        assert len(changes(farm)) == 1


def test_a_pause_without_an_alternative_for_it_is_waited_for(farm: Farm, styles: Path) -> None:
    take_in(farm, styles, CLOUD_STEP, FRAME + when("refused"), ARK + when("paused"))
    farm.database.write(pauses.pause, "provider:openai", "by the test")
    assert changes(farm) == []
    assert claim(farm, resource="api") is None


def test_what_has_not_begun_in_time_changes_over(farm: Farm, styles: Path) -> None:
    (step_id,) = take_in(farm, styles, CLOUD_STEP, FRAME + when("slow", after_s=40))
    (task,) = {step.task_id for step in builders.list_steps(farm)}
    change(farm, Task, task, created_at=seconds_ago(39))
    assert changes(farm) == []
    change(farm, Task, task, created_at=seconds_ago(41))
    assert changes(farm) == [(step_id, 1, "slow")]
    must_claim(farm, resource="api")
    assert changes(farm) == [], "a step that is being made was to change over"


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
    assert changes(farm) == []
    before = read_everything(farm)
    with pytest.raises(ClaimLost):
        change_over(farm, waiting)
    assert read_everything(farm) == before
    assert must_claim(farm, "worker-2", "api").adopted


def rung_of(farm: Farm, step_id: int, number: int) -> Rung:
    step = get_step(farm, step_id)
    recipe_id = get_task(farm, step.task_id).recipe_id
    return farm.database.read(lambda session: farm.ladder.look(session).know(recipe_id).ladders[step.position][number])


def test_a_stale_workers_change_over_hits_no_row(farm: Farm, styles: Path) -> None:
    (step_id,) = take_in(farm, styles, CLOUD_STEP, FRAME + when("refused"), FRAME + when("refused"))
    stale = must_claim(farm, "worker-1", "api")
    farm.database.write(repairs.release_step, step_id, actor="pool", worker="worker-1")
    fresh = must_claim(farm, "worker-2", "api")
    before = read_everything(farm)
    for claimed in (stale, replace(fresh, held=replace(fresh.held, attempt=3))):
        with pytest.raises(ClaimLost):
            leave(farm, claimed, "refused")
    assert read_everything(farm) == before
    assert leave(farm, fresh, "refused") is not None
    before = read_everything(farm)
    with pytest.raises(ClaimLost):
        leave(farm, fresh, "refused")
    with pytest.raises(ClaimLost):
        finish(farm, fresh)
    assert read_everything(farm) == before


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
    assert changes(farm) == [], "no server has what the alternative needs"
    catalog = builders.catalog_of(farm, NAME) | {"SaveImageElsewhere": {}}
    farm.database.write(servers.sync_servers, (OTHER_SERVER, SERVER))
    farm.database.write(servers.bring_back, OTHER_SERVER, catalog)
    assert changes(farm) == [(step.id, 1, "slow")]
    change_over(farm, farm.database.read(farm.ladder.list_changes)[0])
    assert must_claim(farm).call.server == OTHER_SERVER
    assert not farm.database.read(has_untried_server, farm.abilities, step.id, OTHER_SERVER)


def test_a_server_that_rejected_one_workflow_is_asked_with_the_next(farm: Farm, styles: Path) -> None:
    (step_id,) = take_in(farm, styles, WORKFLOW, WORKFLOW + when("unavailable"))
    first = must_claim(farm)
    farm.database.write(
        farm.ladder.leave,
        first.held,
        first.call.id,
        "unavailable",
        kind="bad_input",
        detail="",
        outcome="rejected",
    )
    farm.database.write(repairs.requeue_step, step_id, actor="reconciler")
    assert must_claim(farm).call.server == SERVER


def test_a_style_is_available_while_each_step_has_a_rung_and_begins_there(settings: Settings, styles: Path) -> None:
    write_style(styles, "has-frame", (CLOUD_STEP, FRAME), WORKFLOW)
    write_style(styles, "for-refused", (CLOUD_STEP, FRAME + when("refused")))
    with open_farm(settings, styles_dir=styles) as farm:
        stock(farm)
        problems = {dish.style.name: dish.problem for dish in farm.database.read(farm.menu.list_dishes)}
        assert problems["has-frame"] is None
        assert problems["for-refused"] == "the provider openai has no key"
        accept(farm, style="has-frame")
        first, second = builders.list_steps(farm)
        assert (first.rung, first.rung_why, first.provider) == (1, "unavailable", "frame")
        assert (second.rung, second.rung_why, second.resource) == (0, None, "comfyui")
        finish(farm, must_claim(farm, resource="api"))
        (image,) = builders.list_images(farm)
        assert image.made_by is not None and image.made_by["alternative"]


def test_a_way_that_is_switched_off_makes_nothing_until_it_is_on_again(farm: Farm, styles: Path) -> None:
    write_style(styles, "alone", CLOUD_STEP)
    take_in(farm, styles, CLOUD_STEP, FRAME + when("paused"))
    accept(farm, style="alone", order_id="order-2")
    for name in (NAME, "alone"):
        farm.switches.switch_path(name, 0, 0, on=False, actor="admin")
    assert claim(farm, resource="api") is None
    _, choices = farm.database.read(farm.menu.choose, NAME)
    assert [(choice.rung.number, choice.why) for choice in choices] == [(1, "paused")]
    with pytest.raises(StyleUnavailable, match="switched off by an operator"):
        farm.database.read(farm.menu.choose, "alone")
    farm.switches.switch_path("alone", 0, 0, on=True, actor="admin")
    assert farm.database.read(farm.menu.choose, "alone")[1][0].why is None
    assert must_claim(farm, resource="api").call.provider == "openai"
    audit = farm.database.read(lambda session: list(session.scalars(select(AuditEntry).order_by(AuditEntry.id))))
    assert [(entry.actor, entry.action, entry.subject) for entry in audit] == [
        ("admin", "path off", f"path:{NAME}:0:0"),
        ("admin", "path off", "path:alone:0:0"),
        ("admin", "path on", "path:alone:0:0"),
    ]
    for path in ((NAME, 0, 2), (NAME, 1, 0), ("nobody", 0, 0)):
        with pytest.raises(NotFound):
            farm.switches.switch_path(*path, on=False, actor="admin")


@pytest.mark.parametrize("early", [True, False], ids=["counted before", "counted after"])
def test_calls_are_counted_for_who_had_them_and_not_for_who_took_over(farm: Farm, styles: Path, early: bool) -> None:
    (step_id,) = take_in(farm, styles, CLOUD_STEP, WORKFLOW + when("unavailable"), FRAME + when("unavailable"))
    builders.retry(farm, must_claim(farm, resource="api"))
    farm.database.write(repairs.requeue_step, step_id, actor="reconciler")
    for resource in ("api", "comfyui"):
        if early:
            farm.database.write(tallies.roll_up)
        assert leave(farm, must_claim(farm, resource=resource), "unavailable", "unavailable") is not None
        farm.database.write(repairs.requeue_step, step_id, actor="reconciler")
    finish(farm, must_claim(farm, resource="api"))
    counts = farm.database.read(tallies.read_tallies).counts
    assert {key: value for key, value in counts.items() if key[0] in ("calls", "retries", "fallbacks")} == {
        ("calls", ("api", "openai", "failed")): 2,
        ("calls", ("comfyui", "", "failed")): 1,
        ("calls", ("api", "frame", "succeeded")): 1,
        ("retries", ("api", "transient")): 1,
        ("fallbacks", (NAME, "unavailable")): 2,
    }


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


def test_the_frame_has_no_brake_to_press(farm: Farm) -> None:
    for press in (farm.switches.pause_provider, farm.switches.resume_provider):
        with pytest.raises(NotFound):
            press("frame", actor="admin")
    shown = {one.name for one in farm.database.read(list_standings, farm.providers, farm.settings)}
    assert "openai" in shown and "frame" not in shown
