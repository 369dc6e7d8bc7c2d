"""Copies at ComfyUI's hosts go with their order: asked for, owed while it is away, told in the receipt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from jobs.comfyui import servers
from jobs.comfyui.client import ComfyuiClient
from jobs.engine.reconcile import Reconciler
from jobs.erasure.hosts import HostCare
from jobs.erasure.models import Erasure
from jobs.farm import Farm
from jobs.orders.models import Call, Order
from jobs.settings import Settings
from scripts.simulators.comfyui.standin import StandIn
from scripts.simulators.comfyui.sweeping import serve_sweeper
from tests.builders import accept, change, finish, get_server, must_claim, open_farm, seconds_ago, send, stock
from worker_configs.comfyui_host.sweeper import SweeperServer

TOKEN = "a token that the farm and its hosts share"


@pytest.fixture(scope="module")
def comfyui() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def sweeper(comfyui: StandIn) -> Iterator[SweeperServer]:
    server = serve_sweeper([comfyui.server.folders], TOKEN)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def farm(settings: Settings, comfyui: StandIn, sweeper: SweeperServer) -> Iterator[Farm]:
    port = sweeper.server_address[1]
    with open_farm(settings, comfyui_urls=(comfyui.url,), sweeper_port=port, sweeper_token=SecretStr(TOKEN)) as opened:
        yield opened


def make(farm: Farm, comfyui: StandIn, order_id: str = "order-1") -> str:
    """An order whose one picture was made there; its prompt's id."""
    stock(farm, comfyui.url)
    accept(farm, order_id=order_id)
    claimed = must_claim(farm)
    prompt_id = send(farm, claimed).external_id
    client = ComfyuiClient(comfyui.url)
    client.upload(b"photo", f"{prompt_id}.jpg", "farm")
    client.close()
    comfyui.server.folders.save_numbered("output", f"farm/{prompt_id}", b"picture")
    finish(farm, claimed)
    return prompt_id


def list_copies(comfyui: StandIn, prompt_id: str) -> list[str]:
    """Where copies of a prompt lie."""
    folders = comfyui.server.folders
    return [path for kind in ("input", "output", "temp") for path in folders.listed(kind) if prompt_id in path]


def look_after(farm: Farm, comfyui: StandIn) -> None:
    """One round of the host's care, whenever the last one was."""
    HostCare(farm.database, farm.settings, comfyui.url).look_after()


def get_debt(farm: Farm) -> Erasure:
    """What is owed at the host."""
    query = select(Erasure).where(Erasure.place == "comfyui").order_by(Erasure.id)
    return farm.database.read(lambda session: session.scalars(query).one())


def get_remain(farm: Farm) -> dict[str, Any]:
    """What the receipt says of the host."""
    query = select(Order.receipt).where(Order.order_id == "order-1")
    (remain,) = farm.database.read(lambda session: session.scalars(query).one())["may_remain"]  # type: ignore[index]
    return dict(remain)


def test_a_deleted_orders_copies_go_from_its_host_and_its_receipt_tells_when(farm: Farm, comfyui: StandIn) -> None:
    gone, kept = make(farm, comfyui), make(farm, comfyui, "order-2")
    receipt = farm.interventions.delete_order("order-1", actor="booth:b")
    assert receipt["may_remain"][0]["what"] == "input and output files, until swept there"
    assert receipt["may_remain"][0]["until"] > receipt["deleted_at"]
    look_after(farm, comfyui)
    assert (list_copies(comfyui, gone), len(list_copies(comfyui, kept))) == ([], 2)
    assert get_debt(farm).done_at is None, "a worker may just be uploading"
    change(farm, Erasure, get_debt(farm).id, settles_at=seconds_ago(1), again_at=seconds_ago(1))
    look_after(farm, comfyui)
    debt = get_debt(farm)
    assert debt.done_at is not None and debt.names == []
    assert get_remain(farm)["gone_at"] > receipt["deleted_at"]


def test_a_host_that_is_away_is_asked_again_until_it_is_back(
    farm: Farm, comfyui: StandIn, sweeper: SweeperServer
) -> None:
    prompt_id = make(farm, comfyui)
    sweeper.shutdown()
    sweeper.server_close()
    farm.interventions.delete_order("order-1", actor="booth:b")
    look_after(farm, comfyui)
    debt, server = get_debt(farm), get_server(farm, comfyui.url)
    assert (debt.looks, debt.why) == (1, "the host is away: nobody listens there")
    assert server.sweeper_why == "nobody listens there" and server.sweeper_silent_at is not None
    assert "gone_at" not in get_remain(farm)
    back = serve_sweeper([comfyui.server.folders], TOKEN, port=sweeper.server_address[1])
    change(farm, Erasure, debt.id, settles_at=seconds_ago(1), again_at=seconds_ago(1))
    look_after(farm, comfyui)
    back.shutdown()
    back.server_close()
    assert list_copies(comfyui, prompt_id) == []
    assert get_debt(farm).done_at is not None
    server = get_server(farm, comfyui.url)
    assert (server.sweeper_silent_at, server.sweeper_why) == (None, None)
    assert server.sweeper_seen_at is not None


def test_a_prompt_that_is_being_stopped_keeps_its_debt(farm: Farm, comfyui: StandIn) -> None:
    stock(farm, comfyui.url)
    accept(farm)
    call = send(farm, must_claim(farm))
    farm.interventions.delete_order("order-1", actor="booth:b")
    change(farm, Erasure, get_debt(farm).id, settles_at=seconds_ago(1), again_at=seconds_ago(1))
    look_after(farm, comfyui)
    assert get_debt(farm).why == "a prompt may not have ended there"
    comfyui.server.folders.make_folder("output", "farm")
    comfyui.server.folders.save_numbered("output", f"farm/{call.external_id}", b"late")
    change(farm, Call, call.id, state="closed", outcome="stopped")
    change(farm, Erasure, get_debt(farm).id, again_at=seconds_ago(1))
    look_after(farm, comfyui)
    assert get_debt(farm).done_at is not None
    assert list_copies(comfyui, call.external_id) == []


def test_without_a_sweeper_copies_are_owed_until_their_age(settings: Settings, comfyui: StandIn) -> None:
    with open_farm(settings, comfyui_urls=(comfyui.url,)) as farm:
        make(farm, comfyui)
        receipt = farm.interventions.delete_order("order-1", actor="booth:b")
        assert "for their age" in receipt["may_remain"][0]["what"]
        look_after(farm, comfyui)
        debt = get_debt(farm)
        assert debt.done_at is None and debt.again_at == debt.ends_at
        assert 3500 < (debt.again_at - debt.since).total_seconds() <= 3700
        change(farm, Erasure, debt.id, settles_at=seconds_ago(1), again_at=seconds_ago(1))
        look_after(farm, comfyui)
        assert get_debt(farm).done_at is not None
        assert get_server(farm, comfyui.url).sweeper_silent_at is None, "none was asked"


def test_what_lies_at_a_server_that_is_no_longer_used_ends_with_its_age(farm: Farm, comfyui: StandIn) -> None:
    make(farm, comfyui)
    farm.interventions.delete_order("order-1", actor="booth:b")
    reconciler = farm.reconciler()
    reconciler.retain()
    assert get_debt(farm).done_at is None
    change(farm, Erasure, get_debt(farm).id, ends_at=seconds_ago(1))
    reconciler.retain()
    assert get_debt(farm).done_at is None, "its own thread asks it"
    without(farm, comfyui).retain()
    assert get_debt(farm).done_at is not None


def without(farm: Farm, comfyui: StandIn) -> Reconciler:
    """The reconciler of a farm that has another server instead."""
    settings = farm.settings.model_copy(update={"comfyui_urls": ("http://127.0.0.1:1",)})
    farm.database.write(servers.sync_servers, settings.comfyui_urls)
    return Reconciler(farm.database, farm.redis, farm.storage, farm.ladder, farm.eraser, farm.retention, settings)


def test_a_sweepers_health_is_kept_with_its_server(farm: Farm, comfyui: StandIn, sweeper: SweeperServer) -> None:
    make(farm, comfyui)
    sweeper.sweeper.sweep()
    look_after(farm, comfyui)
    server = get_server(farm, comfyui.url)
    assert server.copies == len(comfyui.server.folders.listed("input")) + len(comfyui.server.folders.listed("output"))
    assert server.copies_oldest_at is not None and server.sweeper_seen_at is not None
    sweeper.token = "another token than the farm's"
    look_after(farm, comfyui)
    assert get_server(farm, comfyui.url).sweeper_why == "it refuses our SWEEPER_TOKEN"
