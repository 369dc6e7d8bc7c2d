"""A style that is switched off is refused to booths and waits; a trial is an order of a booth without a key."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from jobs import errors
from jobs.access.models import AuditEntry, Booth
from jobs.access.trial_booth import TRIAL_BOOTH
from jobs.farm import Farm
from jobs.orders import book
from tests.builders import ONE_STEP, TWO_STEPS, accept, claim, make_booth, make_photo, must_claim, stock, submit


def audited(farm: Farm) -> list[tuple[str, str, str]]:
    query = select(AuditEntry).order_by(AuditEntry.id)
    return farm.database.read(lambda session: [(e.actor, e.action, e.subject) for e in session.scalars(query)])


def test_a_style_that_is_off_is_refused_and_what_waits_of_it_is_made_once_it_is_on_again(farm: Farm) -> None:
    accept(farm)
    farm.switches.switch_style(ONE_STEP, on=False, actor="ann")
    problems = {dish.style.name: dish.problem for dish in farm.database.read(farm.menu.list_dishes)}
    assert (problems[ONE_STEP], problems[TWO_STEPS]) == ("switched off by an operator", None)
    booth = make_booth(farm)
    with pytest.raises(errors.StyleUnavailable) as refusal:
        submit(farm, booth, order_id="refused")
    assert refusal.value.status == 422
    assert submit(farm, booth, order_id="another", style=TWO_STEPS)
    assert must_claim(farm).held.task_id == 2, "the other style goes on"
    assert claim(farm) is None, "what waits of the style that is off is not begun"
    farm.switches.switch_style(ONE_STEP, on=True, actor="bob")
    assert must_claim(farm).held.task_id == 1
    assert submit(farm, booth, order_id="refused")
    assert audited(farm) == [("ann", "style off", f"style:{ONE_STEP}"), ("bob", "style on", f"style:{ONE_STEP}")]


def test_only_styles_that_there_are_can_be_switched(farm: Farm) -> None:
    with pytest.raises(errors.NotFound):
        farm.switches.switch_style("no-such-style", on=False, actor="ann")
    assert audited(farm) == []


def test_a_trial_is_an_order_of_a_booth_without_a_key(farm: Farm) -> None:
    stock(farm)
    first, second = (farm.trials.start(ONE_STEP, make_photo(1), actor="ann") for _ in range(2))
    task = farm.database.read(book.find_task, first)
    assert (task.status, task.style) == ("queued", ONE_STEP)
    assert first != second, "the same photo is made anew each time"
    [booth] = farm.database.read(lambda session: session.scalars(select(Booth)).all())
    assert (booth.name, booth.key_sha256) == (TRIAL_BOOTH, None)
    assert [line[1:] for line in audited(farm)] == [("trial", f"style:{ONE_STEP}")] * 2


def test_a_trial_is_refused_for_what_an_order_would_be(farm: Farm) -> None:
    stock(farm)
    with pytest.raises(errors.PhotoRejected):
        farm.trials.start(ONE_STEP, b"no photo", actor="ann")
    with pytest.raises(errors.StyleUnknown):
        farm.trials.start("no-such-style", make_photo(), actor="ann")
