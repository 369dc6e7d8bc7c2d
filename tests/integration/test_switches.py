"""What operators set while the farm runs holds where work begins: limits, pauses, the intake, drained servers."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.access.models import AuditEntry
from jobs.comfyui.standing import list_server_standings
from jobs.errors import Conflict, IntakePaused, NotFound
from jobs.farm import Farm
from jobs.figures import read_metrics, read_queue, read_stats
from jobs.orders.models import Pause, Task
from jobs.settings import Settings
from tests.builders import (
    ONE_STEP,
    OTHER_SERVER,
    SERVER,
    TWO_STEPS,
    accept,
    change,
    claim,
    finish,
    get_server,
    make_booth,
    must_claim,
    open_farm,
    seconds_ago,
    send,
    stock,
    submit,
)

BY = {"actor": "tina"}


def list_audit(farm: Farm) -> list[tuple[str, str, str]]:
    """(actor, action, subject), oldest first."""
    return farm.database.read(
        lambda session: [(one.actor, one.action, one.subject) for one in session.scalars(select(AuditEntry))]
    )


def limit_shown(farm: Farm) -> set[int]:
    """The limit of comfyui, wherever it is told."""
    queue = read_queue(farm.database, farm.redis, farm.settings, farm.providers)
    stats = read_stats(farm.database, farm.redis, farm.settings)
    readings = read_metrics(farm.database, farm.redis, farm.settings)
    return {
        queue["resources"]["comfyui"]["limit"],
        stats["resources"]["comfyui"]["limit"],
        readings.slots["comfyui"].limit,
    }


def test_a_lowered_limit_ends_nothing_and_nothing_begins_above_it(settings: Settings) -> None:
    with open_farm(settings, comfyui_limit=3, comfyui_depth=9) as farm:
        accept(farm, 6)
        first, second, third = (must_claim(farm) for _ in range(3))
        farm.switches.pools.set_limit("comfyui", 2, **BY)
        assert limit_shown(farm) == {2}
        finish(farm, first)
        assert claim(farm) is None, "two are in flight already"
        finish(farm, second)
        assert claim(farm) is not None
        assert claim(farm) is None
        farm.switches.pools.set_limit("comfyui", 3, **BY)
        assert claim(farm) is not None
        assert claim(farm) is None
        finish(farm, third)
        assert list_audit(farm) == [("tina", "limit", "resource:comfyui")] * 2
    with open_farm(settings, comfyui_limit=1, comfyui_depth=9) as smaller:
        assert limit_shown(smaller) == {1}, "the settings bound what was set before them"


@pytest.mark.parametrize("limit", [0, -1, 4])
def test_a_limit_outside_of_what_the_settings_allow_is_refused(settings: Settings, limit: int) -> None:
    with open_farm(settings, comfyui_limit=3) as farm:
        with pytest.raises(Conflict, match="between 1 and 3"):
            farm.switches.pools.set_limit("comfyui", limit, **BY)
        assert limit_shown(farm) == {3}
        assert list_audit(farm) == []


def test_a_limit_may_be_raised_as_the_settings_rise(settings: Settings) -> None:
    with open_farm(settings, api_limit=2) as farm:
        farm.switches.pools.set_limit("api", 2, **BY)
    with open_farm(settings, api_limit=5) as farm:
        queue = read_queue(farm.database, farm.redis, farm.settings, farm.providers)
        assert queue["resources"]["api"]["limit"] == 5, "what is set at the most follows the settings"


def test_a_paused_resource_begins_nothing_and_finishes_what_it_has(farm: Farm) -> None:
    accept(farm, 2)
    begun = must_claim(farm)
    farm.switches.pools.pause("comfyui", why="changing the GPU's fan", minutes=5, **BY)
    assert claim(farm) is None
    send(farm, begun)
    finish(farm, begun)
    assert submit(farm, make_booth(farm), order_id="meanwhile"), "orders are taken and wait"
    farm.switches.pools.resume("comfyui", **BY)
    farm.switches.pools.resume("comfyui", **BY)
    assert claim(farm) is not None
    assert list_audit(farm) == [("tina", "pause", "resource:comfyui"), ("tina", "resume", "resource:comfyui")]


def test_a_pause_with_minutes_ends_by_itself_and_a_later_press_takes_its_place(farm: Farm) -> None:
    accept(farm)
    farm.switches.pools.pause("comfyui", why="", minutes=None, **BY)
    farm.switches.pools.pause("comfyui", why="back soon", minutes=1, actor="otto")
    row = farm.database.read(lambda session: session.get_one(Pause, "resource:comfyui"))
    assert (row.why, row.actor) == ("back soon", "otto")
    assert row.until is not None
    change(farm, Pause, "resource:comfyui", until=seconds_ago(1))
    assert claim(farm) is not None


def test_a_paused_intake_refuses_new_orders_and_answers_those_it_has(farm: Farm) -> None:
    booth = make_booth(farm)
    stock(farm)
    assert submit(farm, booth, order_id="before")
    farm.switches.pools.pause_intake(why="the hall is closed", minutes=None, **BY)
    with pytest.raises(IntakePaused):
        submit(farm, booth, order_id="after")
    assert not submit(farm, booth, order_id="before"), "what was taken is answered as before"
    queue = read_queue(farm.database, farm.redis, farm.settings, farm.providers)
    assert (queue["accepting"], queue["intake_paused_until"]) == (False, "further notice")
    assert claim(farm) is not None, "what was taken is made"
    farm.switches.pools.resume_intake(**BY)
    assert submit(farm, booth, order_id="after")
    assert list_audit(farm) == [("tina", "pause", "intake"), ("tina", "resume", "intake")]


def test_a_drained_server_finishes_what_it_has_and_gets_nothing_new(settings: Settings) -> None:
    with open_farm(settings, comfyui_limit=9, comfyui_depth=2) as farm:
        stock(farm, SERVER, OTHER_SERVER)
        accept(farm, 4)
        begun = must_claim(farm)
        drained, other = (SERVER, OTHER_SERVER) if begun.call.server == SERVER else (OTHER_SERVER, SERVER)
        farm.switches.servers.drain(drained, **BY)
        farm.switches.servers.drain(drained, actor="otto")
        row = get_server(farm, drained)
        assert (row.drained, row.drained_by) == (True, "tina"), "the second press changes nothing"
        assert [claimed.call.server for _ in range(4) if (claimed := claim(farm))] == [other, other]
        finish(farm, begun)
        assert claim(farm) is None
        farm.switches.servers.give_back(drained, **BY)
        assert must_claim(farm).call.server == drained
        assert list_audit(farm) == [("tina", "drain", f"server:{drained}"), ("tina", "return", f"server:{drained}")]


def test_what_there_is_not_cannot_be_switched(farm: Farm) -> None:
    stock(farm)
    presses = (
        lambda: farm.switches.servers.drain("http://nowhere:8188", **BY),
        lambda: farm.switches.servers.give_back("http://nowhere:8188", **BY),
        lambda: farm.switches.pools.pause("printer", why="", minutes=None, **BY),
        lambda: farm.switches.pools.resume("printer", **BY),
        lambda: farm.switches.pools.set_limit("printer", 1, **BY),
    )
    for press in presses:
        with pytest.raises(NotFound):
            press()
    assert list_audit(farm) == []


def test_what_is_pressed_wakes_the_workers_that_wait_for_room(farm: Farm) -> None:
    stock(farm)
    woken: list[set[str]] = []
    farm.database.after_commit = lambda outbox: woken.append(set(outbox.room))
    farm.switches.pools.pause("api", why="", minutes=None, **BY)
    farm.switches.servers.drain(SERVER, **BY)
    assert woken == []
    farm.switches.pools.resume("api", **BY)
    farm.switches.servers.give_back(SERVER, **BY)
    farm.switches.pools.set_limit("comfyui", 1, **BY)
    assert woken == [{"api"}, {"comfyui"}, {"comfyui"}]


def test_a_server_s_standing_names_its_work_and_what_it_lacks(settings: Settings) -> None:
    with open_farm(settings, comfyui_depth=1) as farm:
        stock(farm, SERVER, styles=(ONE_STEP,))
        (task_id,) = accept(farm, style=ONE_STEP)
        claimed = must_claim(farm)
        shelf = farm.shelf.all().values()

        def look(session: Session) -> tuple[str, list[object]]:
            task = session.get_one(Task, task_id)
            return task.task_id, list(list_server_standings(session, shelf, farm.abilities))

        public_id, [standing] = farm.database.read(look)
        assert [(work.task_id, work.style, work.stopping) for work in standing.works] == [(public_id, ONE_STEP, False)]
        assert ONE_STEP not in standing.lacks
        assert standing.lacks[TWO_STEPS]
        finish(farm, claimed)
        _, [standing] = farm.database.read(look)
        assert standing.works == []
