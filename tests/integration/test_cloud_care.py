"""CallCare: what nobody waits for any more is taken back at its provider, and its call closed when it has ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.cloud import care
from jobs.cloud.care import CallCare
from jobs.cloud.providers.dashscope import Dashscope
from jobs.database import Outbox
from jobs.errors import DatabaseAway
from jobs.farm import Farm
from jobs.orders.models import Call
from jobs.settings import Settings
from scripts.simulators.dashscope import StandIn
from tests.builders import (
    CLOUD,
    accept,
    change,
    get_step,
    list_calls,
    list_moves,
    must_claim,
    retry,
    seconds_ago,
    send,
)
from tests.contract.dialects.dashscope import DIALECT
from tests.contract.fakes import until

SILENCE_S = 60.0
TASKS = "/v1/tasks"
CLOSING, STOPPED, UNKNOWN = ("closing", None), ("closed", "stopped"), ("closed", "unknown")


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as api:
        yield api


@pytest.fixture
def settings(tmp_path: Path, redis_url: str, database_url: str, api: StandIn) -> Settings:
    """A farm with a provider that can be asked about a call, one that cannot, and one without a key."""
    return Settings.load(
        _env_file=None,
        data_dir=tmp_path / "data",
        redis_url=redis_url,
        database_url=database_url,
        disk_reserve_mb=1,
        probe_s=0.05,
        openai_api_key="simulated",
        openai_base_url="http://127.0.0.1:9",
        openai_silence_s=SILENCE_S,
        dashscope_api_key="simulated",
        dashscope_base_url=api.base_url,
        dashscope_silence_s=SILENCE_S,
    )


@pytest.fixture
def call_care(farm: Farm) -> CallCare:
    return CallCare(farm.database, farm.settings)


def begin_task(api: StandIn) -> str:
    """A task that the provider has taken; its id."""
    kept: list[str] = []
    DIALECT.provider(api.base_url).submit(DIALECT.request(), kept.append, 10.0)
    return kept[0]


def leave(farm: Farm, remote_id: str | None, *, provider: str | None = "dashscope", closing_for: float = 0.0) -> int:
    """A call whose order was canceled while it was out; the call's id."""
    order_id = f"order-{len(list_calls(farm)) + 1}"
    accept(farm, style=CLOUD, order_id=order_id)
    call = send(farm, must_claim(farm, resource="api"))
    farm.interventions.cancel_order(order_id, actor="booth")
    change(farm, Call, call.id, provider=provider, remote_id=remote_id, closing_at=seconds_ago(closing_for))
    return call.id


def state_of(farm: Farm, call_id: int) -> tuple[str, str | None]:
    [call] = [call for call in list_calls(farm) if call.id == call_id]
    return call.state, call.outcome


def test_waiting_task_is_taken_back_and_its_slot_is_free_at_once(api: StandIn, farm: Farm, call_care: CallCare) -> None:
    api.add_fault("hold_queue")
    remote_id = begin_task(api)
    call_id = leave(farm, remote_id)
    told: list[Outbox] = []
    farm.database.after_commit = told.append
    call_care.look_after()
    assert state_of(farm, call_id) == STOPPED
    assert api.wait_for("end", remote_id)["outcome"] == "canceled"
    assert [outbox.room for outbox in told] == [{"api"}]
    assert list_moves(farm).count("call") == 1


def test_running_task_keeps_its_slot_until_it_has_ended_and_is_taken_back_once(
    api: StandIn, farm: Farm, call_care: CallCare
) -> None:
    asked_to_stop = api.add_fault(
        "status", path=TASKS, method="POST", status=400, body={"code": "UnsupportedOperation"}
    )
    hold = api.add_fault("hold")
    remote_id = begin_task(api)
    api.wait_for("hold", remote_id)
    call_id = leave(farm, remote_id)
    for _ in range(3):
        call_care.look_after()
        assert state_of(farm, call_id) == CLOSING
    assert asked_to_stop.hits == 1
    api.clear_faults(number=hold.id)
    api.wait_for("end", remote_id)
    call_care.look_after()
    assert state_of(farm, call_id) == STOPPED


def test_task_that_never_ends_frees_its_slot_after_the_silence(api: StandIn, farm: Farm, call_care: CallCare) -> None:
    api.add_fault("hold")
    remote_id = begin_task(api)
    api.wait_for("hold", remote_id)
    call_id = leave(farm, remote_id, closing_for=SILENCE_S + 1)
    call_care.look_after()
    assert state_of(farm, call_id) == UNKNOWN


@pytest.mark.parametrize("fails", [False, True])
def test_task_that_ended_by_itself_is_closed(api: StandIn, farm: Farm, call_care: CallCare, fails: bool) -> None:
    if fails:
        api.add_fault("task_error", body={"code": "DataInspectionFailed", "message": "…"})
    remote_id = begin_task(api)
    api.wait_for("end", remote_id)
    call_id = leave(farm, remote_id, closing_for=SILENCE_S + 1)  # asked before it is given up
    call_care.look_after()
    assert state_of(farm, call_id) == STOPPED


def test_not_there_is_believed_when_it_is_said_again_later(
    farm: Farm, call_care: CallCare, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(care, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    call_id = leave(farm, "never-heard-of")
    for seconds, expected in ((0.0, CLOSING), (1.0, CLOSING), (1.0, STOPPED)):
        clock[0] += seconds
        call_care.look_after()
        assert state_of(farm, call_id) == expected


def test_task_that_shows_up_after_all_was_not_lost(
    api: StandIn, farm: Farm, call_care: CallCare, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(care, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    api.add_fault("hold")
    remote_id = begin_task(api)
    api.wait_for("hold", remote_id)
    call_id = leave(farm, remote_id)
    unknown = {"output": {"task_id": remote_id, "task_status": "UNKNOWN"}}
    for _ in range(2):  # not there, there, not there: never twice in a row
        api.add_fault("status", path=TASKS, method="GET", status=200, body=unknown, times=1)
        for _ in range(2):
            clock[0] += 10.0
            call_care.look_after()
            assert state_of(farm, call_id) == CLOSING


def test_canceling_that_was_not_heard_is_asked_again(api: StandIn, farm: Farm, call_care: CallCare) -> None:
    api.add_fault("hold_queue")
    api.add_fault("status", path=TASKS, method="POST", status=500, times=1)
    remote_id = begin_task(api)
    call_id = leave(farm, remote_id)
    call_care.look_after()
    assert state_of(farm, call_id) == CLOSING
    call_care.look_after()
    assert state_of(farm, call_id) == STOPPED
    assert [row["prompt_id"] for row in api.log("cancel")] == [remote_id]


@pytest.mark.parametrize(("closing_for", "expected"), [(1.0, CLOSING), (SILENCE_S + 1, UNKNOWN)])
def test_call_at_a_provider_out_of_reach_is_given_up_in_time(
    api: StandIn, farm: Farm, call_care: CallCare, closing_for: float, expected: tuple[str, str | None]
) -> None:
    remote_id = begin_task(api)
    call_id = leave(farm, remote_id, closing_for=closing_for)
    api.stop()
    call_care.look_after()
    assert state_of(farm, call_id) == expected
    with StandIn(port=api.port):  # it comes back, and has forgotten
        call_care.look_after()
        assert state_of(farm, call_id) == expected


def test_silent_provider_is_asked_about_one_call_a_round(api: StandIn, farm: Farm, call_care: CallCare) -> None:
    calls = [leave(farm, f"task-{number}", closing_for=SILENCE_S * number) for number in (0, 2, 0)]
    asked = api.add_fault("drop", path=TASKS)
    call_care.look_after()
    assert asked.hits == 2  # to take the first back, and how it is
    assert [state_of(farm, call_id) for call_id in calls] == [CLOSING, UNKNOWN, CLOSING]


@pytest.mark.parametrize("provider", ["openai", "dashscope", "replaced", None])
@pytest.mark.parametrize(("closing_for", "expected"), [(1.0, CLOSING), (181.0, UNKNOWN)])
def test_call_that_nobody_can_be_asked_about_is_closed_after_the_silence(
    api: StandIn,
    farm: Farm,
    call_care: CallCare,
    provider: str | None,
    closing_for: float,
    expected: tuple[str, str | None],
) -> None:
    asked = api.add_fault("drop")
    remote_id = None if provider == "dashscope" else "req_1"
    call_id = leave(farm, remote_id, provider=provider, closing_for=closing_for)
    call_care.look_after()
    assert (state_of(farm, call_id), asked.hits) == (expected, 0)


def test_provider_without_a_key_is_not_asked(api: StandIn, farm: Farm, settings: Settings) -> None:
    asked = api.add_fault("drop")
    keyless = Settings.load(_env_file=None, dashscope_base_url=api.base_url, dashscope_silence_s=SILENCE_S)
    young, old = leave(farm, "task-1"), leave(farm, "task-2", closing_for=SILENCE_S + 1)
    CallCare(farm.database, keyless).look_after()
    assert [state_of(farm, young), state_of(farm, old), asked.hits] == [CLOSING, UNKNOWN, 0]


def test_two_at_once_close_a_call_once(api: StandIn, farm: Farm) -> None:
    remote_id = begin_task(api)
    api.wait_for("end", remote_id)
    call_id = leave(farm, remote_id)
    both = api.add_fault("freeze", path=TASKS, method="GET")
    failures: list[BaseException] = []

    def look_after() -> None:
        try:
            CallCare(farm.database, farm.settings).look_after()
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=look_after) for _ in range(2)]
    for thread in threads:
        thread.start()
    until(lambda: both.hits == 2)
    api.clear_faults()
    for thread in threads:
        thread.join()
    assert failures == []
    assert state_of(farm, call_id) == STOPPED
    assert list_moves(farm).count("call") == 1


def test_database_away_in_the_middle_is_made_up_for(
    api: StandIn, farm: Farm, call_care: CallCare, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.add_fault("hold_queue")
    remote_id = begin_task(api)
    call_id = leave(farm, remote_id)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise DatabaseAway()

    with monkeypatch.context() as away:
        away.setattr(farm.database, "write", fail)
        with pytest.raises(DatabaseAway):
            call_care.look_after()
    assert state_of(farm, call_id) == CLOSING
    call_care.look_after()
    assert state_of(farm, call_id) == STOPPED
    assert len(api.log("cancel")) == 1


def test_provider_s_defect_keeps_no_other_call_from_being_closed(
    farm: Farm, call_care: CallCare, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*args: Any) -> None:
        raise KeyError("output")

    monkeypatch.setattr(Dashscope, "poll", break_down)
    first, second, third = (
        leave(farm, "task-1"),
        leave(farm, "task-2", closing_for=SILENCE_S + 1),
        leave(farm, "req_1", provider="openai", closing_for=SILENCE_S + 1),
    )
    call_care.look_after()
    assert [state_of(farm, call_id) for call_id in (first, second, third)] == [CLOSING, UNKNOWN, UNKNOWN]


def test_calls_of_running_steps_and_of_servers_are_left_alone(farm: Farm, call_care: CallCare) -> None:
    accept(farm, style=CLOUD, order_id="runs")
    running = send(farm, must_claim(farm, resource="api"))
    accept(farm, order_id="at-a-server")
    at_server = send(farm, must_claim(farm))
    farm.interventions.cancel_order("at-a-server", actor="booth")
    change(farm, Call, running.id, provider="dashscope", remote_id="task-1")
    change(farm, Call, at_server.id, closing_at=seconds_ago(100_000))
    call_care.look_after()
    assert [state_of(farm, call.id) for call in (running, at_server)] == [("open", None), CLOSING]


def test_reconciler_sweeps_on_while_a_provider_hangs(api: StandIn, farm: Farm) -> None:
    hang = api.add_fault("hang", path=TASKS)
    call_id = leave(farm, begin_task(api))
    reconciler = farm.reconciler()
    thread = threading.Thread(target=reconciler.run)
    thread.start()
    try:
        until(lambda: hang.hits)
        accept(farm, order_id="waits")
        waiting = must_claim(farm)
        retry(farm, waiting, wait_s=0)
        until(lambda: get_step(farm, waiting.held.step_id).status == "queued")
        assert state_of(farm, call_id) == CLOSING
        api.clear_faults()
        until(lambda: state_of(farm, call_id) == STOPPED)
    finally:
        api.clear_faults()
        reconciler.stop.set()
        thread.join()
