"""An attempt that would fail its task goes on by an alternative (S5): for which reason, how marked, and every fence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jobs.errors import ClaimLost
from jobs.farm import Farm
from jobs.orders import pauses, repairs
from jobs.orders.models import Step
from jobs.styles.ladder import Reason
from tests import builders
from tests.builders import (
    SERVER,
    accept,
    change,
    finish,
    get_step,
    list_calls,
    must_claim,
    read_everything,
    send,
)
from tests.ladders import (
    ARK,
    CLOUD_STEP,
    FRAME,
    NAME,
    WORKFLOW,
    leave,
    list_details,
    take_in,
    when,
    write_style,
)


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
