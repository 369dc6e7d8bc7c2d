"""ServerCare against a stand-in: servers are set aside and brought back, and what nobody waits for is stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from jobs.access.models import Booth
from jobs.comfyui import servers
from jobs.comfyui.care import ServerCare
from jobs.comfyui.client import ComfyuiClient
from jobs.comfyui.models import Catalog, Server
from jobs.database import Outbox, now_of
from jobs.farm import Farm
from jobs.orders.models import Call, Order, Photo, Recipe, Step, Task
from scripts.simulators.comfyui import StandIn
from tests.contract.fakes import new_id, submit


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite alone will do here."""
    return f"sqlite:///{tmp_path / 'farm.sqlite3'}"


@pytest.fixture
def client(standin: StandIn) -> Iterator[ComfyuiClient]:
    client = ComfyuiClient(standin.url)
    yield client
    client.close()


@pytest.fixture
def care_of(farm: Farm) -> Callable[[str], ServerCare]:
    """The care of a server that has just been configured."""

    def make(url: str) -> ServerCare:
        farm.database.write(servers.sync_servers, (url,))
        return ServerCare(farm.database, farm.settings, url)

    return make


def row_of(farm: Farm, url: str) -> Server:
    return farm.database.read(lambda session: session.get_one(Server, url))


def set_aside(farm: Farm, url: str, stuck: str | None = None) -> None:
    farm.database.write(servers.set_aside, url, "for the test", stuck)


def add_call(farm: Farm, url: str, external_id: str, state: str, **more: Any) -> int:
    """A call with all that it hangs on; its id."""
    name = new_id()[:30]

    def add(session: Session) -> int:
        now = now_of(session)
        booth = Booth(name=name, created_at=now)
        recipe = Recipe(id=name, style="s", document={}, created_at=now)
        session.add_all([booth, recipe])
        session.flush()
        order = Order(
            uid=name, order_id=name, booth_id=booth.id, code="1", guest_key=name.encode()[:32], created_at=now
        )
        session.add(order)
        session.flush()
        photo = Photo(order_id=order.id, sha256=name, position=0, width=1, height=1, bytes=1, created_at=now)
        session.add(photo)
        session.flush()
        task = Task(
            task_id=name,
            order_id=order.id,
            photo_id=photo.id,
            photo_sha256=name,
            style="s",
            recipe_id=recipe.id,
            options={},
            options_key="",
            seed=1,
            created_at=now,
            deadline_at=now,
        )
        session.add(task)
        session.flush()
        step = Step(task_id=task.id, position=0, resource="comfyui", timeout_s=60, status="canceled", attempt=1)
        session.add(step)
        session.flush()
        call = Call(
            step_id=step.id,
            call_no=1,
            attempt=1,
            resource="comfyui",
            server=url,
            external_id=external_id,
            state=state,
            opened_at=now,
            sent_at=now,
            closing_at=now - timedelta(seconds=more.get("closing_for", 0)),
        )
        session.add(call)
        session.flush()
        return call.id

    return farm.database.write(add)


def outcome_of(farm: Farm, call_id: int) -> tuple[str, str | None]:
    call = farm.database.read(lambda session: session.get_one(Call, call_id))
    return call.state, call.outcome


def test_new_server_is_usable_once_it_has_answered(
    standin: StandIn, farm: Farm, care_of: Callable[[str], ServerCare]
) -> None:
    rung: list[Outbox] = []
    farm.database.after_commit = rung.append
    care = care_of(standin.url)
    assert row_of(farm, standin.url).set_aside_at is not None
    care.look_after()
    row = row_of(farm, standin.url)
    assert (row.set_aside_at, row.why, row.stuck_prompt) == (None, None, None)
    assert row.seen_at is not None
    stored = farm.database.read(lambda session: session.get_one(Catalog, row.catalog_id))
    assert stored.document["LoadImage"] == {"image": None}
    assert [outbox.room for outbox in rung] == [{"comfyui"}]


def test_refusing_server_is_set_aside_and_back_after_one_good_answer(
    farm: Farm, care_of: Callable[[str], ServerCare]
) -> None:
    first = StandIn().start()
    care = care_of(first.url)
    care.look_after()
    before = row_of(farm, first.url).catalog_id
    first.stop()
    care.look_after()
    row = row_of(farm, first.url)
    assert row.set_aside_at is not None
    assert row.why == "refuses connections"
    with StandIn(port=first.port) as second:
        second.configure(without=["ImageInvert"], checkpoints=["new.safetensors"])  # changed while it was away
        care.look_after()
    row = row_of(farm, first.url)
    assert (row.set_aside_at, row.why) == (None, None)
    assert row.catalog_id not in (None, before)
    stored = farm.database.read(lambda session: session.get_one(Catalog, row.catalog_id))
    assert "ImageInvert" not in stored.document
    assert stored.document["CheckpointLoaderSimple"] == {"ckpt_name": ["new.safetensors"]}


@pytest.mark.parametrize("path", ["/queue", "/object_info"])
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503},
        {"kind": "body", "body": "<html>a login page</html>"},
        {"kind": "body", "body": {"Node": {"input": ["x"]}}},
        {"kind": "drop"},
        {"kind": "truncate"},
    ],
    ids=["500", "503", "page", "shape", "drop", "truncate"],
)
def test_server_that_does_not_answer_well_is_set_aside(
    standin: StandIn, farm: Farm, care_of: Callable[[str], ServerCare], fault: dict[str, Any], path: str
) -> None:
    care = care_of(standin.url)
    farm.database.write(servers.bring_back, standin.url, None)
    standin.add_fault(**fault, path=path)
    care.look_after()
    row = row_of(farm, standin.url)
    assert row.set_aside_at is not None
    assert (row.why or "").startswith("does not answer well")
    standin.clear_faults()
    care.look_after()
    assert row_of(farm, standin.url).set_aside_at is None


def test_first_reason_stays(farm: Farm, care_of: Callable[[str], ServerCare]) -> None:
    gone = StandIn().start()
    gone.stop()
    care = care_of(gone.url)
    care.look_after()
    assert row_of(farm, gone.url).why == "not asked yet"


def test_running_prompt_of_a_closing_call_is_interrupted_and_the_call_closed(
    standin: StandIn, client: ComfyuiClient, farm: Farm, care_of: Callable[[str], ServerCare]
) -> None:
    care = care_of(standin.url)
    hold = standin.add_fault("hold", times=1)
    prompt_id, other = submit(client), submit(client)
    standin.wait_for("hold", prompt_id)
    standin.add_fault("hold_queue")
    call_id = add_call(farm, standin.url, prompt_id, "closing")
    care.look_after()
    assert standin.wait_for("end", prompt_id)["outcome"] == "interrupted"
    assert not hold.cleared.is_set()
    care.look_after()
    assert outcome_of(farm, call_id) == ("closed", "stopped")
    assert client.queue().pending == (other,)
    assert {row["prompt_id"] for row in standin.log("interrupt")} == {prompt_id}


def test_closing_call_stays_while_its_prompt_does_not_stop(
    standin: StandIn, client: ComfyuiClient, farm: Farm, care_of: Callable[[str], ServerCare]
) -> None:
    care = care_of(standin.url)
    standin.add_fault("hold", stubborn=True)
    prompt_id = submit(client)
    standin.wait_for("hold", prompt_id)
    call_id = add_call(farm, standin.url, prompt_id, "closing", closing_for=100_000)
    care.look_after()
    assert outcome_of(farm, call_id) == ("closing", None)
    standin.clear_faults()
    standin.wait_for("end", prompt_id)
    care.look_after()
    assert outcome_of(farm, call_id) == ("closed", "stopped")


def test_closing_call_whose_prompt_is_gone_is_closed(
    standin: StandIn, farm: Farm, care_of: Callable[[str], ServerCare]
) -> None:
    care = care_of(standin.url)
    call_id = add_call(farm, standin.url, new_id(), "closing")
    care.look_after()
    assert outcome_of(farm, call_id) == ("closed", "stopped")
    assert standin.log("delete") == standin.log("interrupt") == []


def test_waiting_prompt_of_a_closed_call_is_deleted_and_no_other(
    standin: StandIn, client: ComfyuiClient, farm: Farm, care_of: Callable[[str], ServerCare]
) -> None:
    care = care_of(standin.url)
    standin.add_fault("hold_queue")
    foreign, own, left_over = submit(client), submit(client), submit(client)
    add_call(farm, standin.url, own, "open")
    add_call(farm, standin.url, left_over, "closed")
    care.look_after()
    assert client.queue().pending == (foreign, own)
    assert [row["prompt_id"] for row in standin.log("delete")] == [left_over]


@pytest.mark.parametrize(("closing_for", "expected"), [(1, ("closing", None)), (100_000, ("closed", "unknown"))])
def test_closing_call_of_a_server_out_of_reach_is_given_up_in_time(
    farm: Farm, care_of: Callable[[str], ServerCare], closing_for: float, expected: tuple[str, str | None]
) -> None:
    gone = StandIn().start()
    gone.stop()
    care = care_of(gone.url)
    call_id = add_call(farm, gone.url, new_id(), "closing", closing_for=closing_for)
    elsewhere = add_call(farm, "http://other", new_id(), "closing", closing_for=closing_for)
    care.look_after()
    assert outcome_of(farm, call_id) == expected
    assert outcome_of(farm, elsewhere) == ("closing", None)


def test_zombie_stays_aside_until_its_head_is_gone(
    standin: StandIn, client: ComfyuiClient, farm: Farm, care_of: Callable[[str], ServerCare]
) -> None:
    care = care_of(standin.url)
    care.look_after()
    standin.add_fault("zombie", times=1)
    stuck = submit(client)
    standin.wait_for("start", stuck)
    left_over = submit(client)
    add_call(farm, standin.url, left_over, "closed")
    set_aside(farm, standin.url, stuck)
    for _ in range(2):
        care.look_after()
        row = row_of(farm, standin.url)
        assert (row.why, row.stuck_prompt) == ("for the test", stuck)
    assert client.queue().pending == ()  # leftovers are taken out of it all the same
    standin.restart()
    care.look_after()
    row = row_of(farm, standin.url)
    assert (row.set_aside_at, row.why, row.stuck_prompt) == (None, None, None)
