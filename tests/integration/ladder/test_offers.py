"""Styles with alternatives: when they are offered, what is switched off, and for whom their calls are counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from jobs.access.models import AuditEntry
from jobs.cloud.standing import list_standings
from jobs.errors import NotFound, StyleUnavailable
from jobs.farm import Farm
from jobs.orders import repairs, tallies
from jobs.settings import Settings
from tests import builders
from tests.builders import (
    accept,
    claim,
    finish,
    must_claim,
    open_farm,
    stock,
)
from tests.ladders import (
    CLOUD_STEP,
    FRAME,
    NAME,
    WORKFLOW,
    leave,
    take_in,
    when,
    write_style,
)


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


def test_the_frame_has_no_brake_to_press(farm: Farm) -> None:
    for press in (farm.switches.pause_provider, farm.switches.resume_provider):
        with pytest.raises(NotFound):
            press("frame", actor="admin")
    shown = {one.name for one in farm.database.read(list_standings, farm.providers, farm.settings)}
    assert "openai" in shown and "frame" not in shown
