"""Who takes which step next: order, room, servers, pauses, adoption."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from jobs.comfyui import servers
from jobs.comfyui.models import Server
from jobs.engine.claims import Claim
from jobs.errors import ClaimLost, DatabaseAway
from jobs.farm import Farm
from jobs.orders import pauses, repairs
from jobs.orders.models import Step, Task
from jobs.settings import Settings
from tests import builders
from tests.builders import (
    CLOUD,
    ONE_STEP,
    OTHER_SERVER,
    SERVER,
    TWO_STEPS,
    accept,
    change,
    claim,
    fail,
    finish,
    must_claim,
    open_farm,
    retry,
    send,
    stock,
    with_key,
)


def look(farm: Farm, resource: str = "comfyui") -> tuple[bool, bool]:
    """(is anything due, has any of it room)."""
    return farm.database.read(farm.taker(resource).claims.look)


def test_steps_are_taken_in_the_order_of_admission_later_steps_of_a_task_first(farm: Farm) -> None:
    first, second, third = accept(farm, 3, style=TWO_STEPS)
    one = must_claim(farm)
    assert one.held.task_id == first
    finish(farm, one)
    assert [must_claim(farm).held.task_id for _ in range(2)] == [first, second]
    assert third


def test_open_and_closing_calls_are_the_slots(settings: Settings) -> None:
    with open_farm(settings, comfyui_limit=2, comfyui_depth=9) as farm:
        accept(farm, 4)
        first, second = must_claim(farm), must_claim(farm)
        assert claim(farm) is None
        assert look(farm) == (True, False)
        send(farm, first)
        fail(farm, first, outcome=None)
        assert claim(farm) is None, "a closing call did not count"
        finish(farm, second)
        assert claim(farm) is not None
        assert claim(farm) is None


def test_a_server_gets_no_more_calls_than_its_depth_and_the_idlest_comes_first(settings: Settings) -> None:
    with open_farm(settings, comfyui_limit=9, comfyui_depth=2) as farm:
        stock(farm, SERVER, OTHER_SERVER)
        accept(farm, 6)
        taken = [claimed.call.server for _ in range(6) if (claimed := claim(farm))]
        assert Counter(taken) == {SERVER: 2, OTHER_SERVER: 2}
        assert set(taken[:2]) == {SERVER, OTHER_SERVER}


def test_only_a_server_with_the_nodes_gets_the_step_and_one_without_room_blocks_no_other(settings: Settings) -> None:
    with open_farm(settings, comfyui_depth=1) as farm:
        stock(farm, SERVER, styles=(TWO_STEPS,))
        accept(farm, 2, style=TWO_STEPS, order_id="order-1")
        stock(farm, OTHER_SERVER, styles=(ONE_STEP,))
        (later,) = accept(farm, style=ONE_STEP, order_id="order-2")
        assert must_claim(farm).call.server == SERVER
        overtaking = must_claim(farm)
        assert (overtaking.held.task_id, overtaking.call.server) == (later, OTHER_SERVER)
        assert claim(farm) is None


@pytest.mark.parametrize(
    "trouble", [{"drained": True}, {"set_aside_at": builders.seconds_ago(1)}, {"configured": False}]
)
def test_a_server_that_is_not_to_be_used_gets_nothing(farm: Farm, trouble: dict[str, object]) -> None:
    accept(farm)
    change(farm, Server, SERVER, **trouble)
    assert claim(farm) is None
    assert look(farm) == (True, False)
    change(farm, Server, SERVER, drained=False, set_aside_at=None, configured=True)
    assert must_claim(farm).call.server == SERVER


def test_a_server_set_aside_comes_back_with_one_good_answer(farm: Farm) -> None:
    accept(farm)
    farm.database.write(servers.set_aside, SERVER, "refuses connections")
    farm.database.write(servers.set_aside, SERVER, "another reason")
    assert builders.get_server(farm).why == "refuses connections"
    assert claim(farm) is None
    farm.database.write(servers.bring_back, SERVER, None)
    assert claim(farm) is not None


def test_a_server_that_rejected_the_workflow_is_not_asked_again(farm: Farm) -> None:
    stock(farm, SERVER, OTHER_SERVER)
    accept(farm)
    first = must_claim(farm)
    retry(farm, first, kind="rejected", outcome="rejected")
    farm.database.write(repairs.requeue_step, first.held.step_id, actor="reconciler")
    second = must_claim(farm)
    assert {first.call.server, second.call.server} == {SERVER, OTHER_SERVER}


def test_a_later_steps_open_call_is_adopted_past_earlier_ones_without_room(settings: Settings) -> None:
    with open_farm(settings, comfyui_limit=1) as farm:
        accept(farm, 2)
        blocked, adoptable = builders.list_steps(farm)
        change(farm, Step, blocked.id, not_before=builders.seconds_ago(-100))
        claimed = must_claim(farm)
        assert claimed.held.step_id == adoptable.id
        change(farm, Step, blocked.id, not_before=None)
        change(farm, Step, adoptable.id, status="queued", attempt=2)
        again = must_claim(farm, "worker-2")
        assert again.adopted and again.held.step_id == adoptable.id


@pytest.mark.parametrize("scope", ["resource:comfyui", f"style:{ONE_STEP}"])
def test_what_is_paused_is_skipped_until_the_pause_ends(farm: Farm, scope: str) -> None:
    accept(farm)
    farm.database.write(pauses.pause, scope, "by an operator")
    assert claim(farm) is None
    assert look(farm) == (False, False)
    farm.database.write(pauses.resume, scope)
    assert claim(farm) is not None


def test_a_paused_provider_is_skipped_and_its_limit_is_its_own(settings: Settings) -> None:
    with open_farm(settings, **with_key(), openai_limit=1, api_limit=5) as farm:
        accept(farm, 2, style=CLOUD)
        farm.database.write(pauses.pause, "provider:openai", "busy", 60.0)
        assert claim(farm, resource="api") is None
        farm.database.write(pauses.resume, "provider:openai")
        first = must_claim(farm, resource="api")
        assert (first.call.provider, first.call.server) == ("openai", None)
        assert claim(farm, resource="api") is None
        assert look(farm, "api") == (True, False)
        assert claim(farm) is None, "a worker of one resource took a step of another"


def test_a_step_whose_moment_has_not_come_is_not_due(farm: Farm) -> None:
    accept(farm)
    (step,) = builders.list_steps(farm)
    change(farm, Step, step.id, not_before=builders.seconds_ago(-60))
    assert look(farm) == (False, False)
    assert claim(farm) is None


def test_eight_claimers_at_once_never_exceed_the_limit_nor_take_a_step_twice(settings: Settings) -> None:
    with open_farm(settings, serves_web=True, comfyui_limit=5, comfyui_depth=3) as farm:
        stock(farm, SERVER, OTHER_SERVER)
        accept(farm, 14)
        claims = farm.taker("comfyui").claims
        barrier, taken, failures = threading.Barrier(8), list[Claim](), list[BaseException]()

        def take(worker: str) -> None:
            try:
                barrier.wait(10)
                for _ in range(3):
                    try:
                        if claimed := farm.database.write(claims.claim, worker):
                            taken.append(claimed)
                    except ClaimLost:
                        continue
            except (DatabaseAway, threading.BrokenBarrierError, AssertionError) as exc:
                failures.append(exc)

        threads = [threading.Thread(target=take, args=(f"worker-{number}",)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(taken) == 5
        assert len({claimed.held.step_id for claimed in taken}) == 5
        assert max(Counter(claimed.call.server for claimed in taken).values()) <= 3
        running = [step for step in builders.list_steps(farm) if step.status == "running"]
        assert len(running) == 5 and all(step.claims == 1 for step in running)


def test_a_task_that_began_leaves_the_queue_and_does_not_return_to_it(farm: Farm) -> None:
    (task_id,) = accept(farm)
    claimed = must_claim(farm, "worker-1")
    farm.database.write(repairs.release_step, claimed.held.step_id, actor="pool", worker="worker-1", crashed=True)
    status = farm.database.read(lambda session: session.get_one(Task, task_id).status)
    assert status == "running"
