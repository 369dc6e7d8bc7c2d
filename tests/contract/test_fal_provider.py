"""What is fal's alone: its addresses, its headers, and a response that decides whatever the status said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jobs.cloud.provider import ImageRequest, NotThere, Pending, Unheard
from jobs.errors.steps import BadInput, ExecutionFailed, StepError, Transient
from scripts.simulators.fal import StandIn
from tests.contract.dialects.dialect import Said
from tests.contract.dialects.fal import DIALECT
from tests.contract.fakes import MARK, PHOTO, mark_in
from tests.contract.hosts import Host

KONTEXT = "fal-ai/flux-pro/kontext"
REQUESTS = "/fal-ai/flux-pro/requests"


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as api:
        yield api


def buy(api: StandIn, model: str, parameters: dict[str, Any]) -> bytes:
    provider = DIALECT.provider(api.base_url)
    request = ImageRequest(PHOTO, "a poster", model, parameters, "key-1")
    found = provider.submit(request, lambda remote_id: None, 10.0)
    assert isinstance(found, Pending)
    api.wait_for("end", found.remote_id)
    [image] = provider.poll(model, found.remote_id, 10.0).images  # type: ignore[union-attr]
    return image


def taken(api: StandIn, *, ended: bool = True) -> str:
    """A request in the queue, or one that is over; by its id."""
    found = DIALECT.provider(api.base_url).submit(DIALECT.request(), lambda remote_id: None, 10.0)
    assert isinstance(found, Pending)
    if ended:
        api.wait_for("end", found.remote_id)
    return found.remote_id


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (KONTEXT, {}),
        ("fal-ai/flux-pro/kontext/max", {"image_field": "image_url"}),
        ("fal-ai/nano-banana/edit", {"image_field": "image_urls[]", "num_images": 1}),
        ("fal-ai/face-poster", {}),
    ],
)
def test_each_model_is_asked_about_by_owner_and_app_alone(api: StandIn, model: str, parameters: dict[str, Any]) -> None:
    assert mark_in(buy(api, model, parameters)) == MARK
    assert [row["model"] for row in api.log("submit")] == [model]


def test_ids_of_a_namespace_have_their_owner_and_app_behind_it() -> None:
    with Host() as host:
        provider = DIALECT.provider(host.url)
        for model in ("workflows/somebody/poster/v2", "comfy/somebody/poster", "/fal-ai/a b/../c"):
            with pytest.raises(NotThere):
                provider.poll(model, "abc", 5.0)
        assert [request.path for request in host.seen] == [
            "/workflows/somebody/poster/requests/abc/status",
            "/comfy/somebody/poster/requests/abc/status",
            "/fal-ai/a%20b/requests/abc/status",
        ]


@pytest.mark.parametrize(
    ("model", "parameters"),
    [("fal-ai/flux-pro/nothing", {}), (KONTEXT, {"image_field": "picture"}), (KONTEXT, {"image_size": "odd"})],
)
def test_input_that_is_wrong_shows_in_the_response(api: StandIn, model: str, parameters: dict[str, Any]) -> None:
    with pytest.raises((BadInput, NotThere)) as failed:
        buy(api, model, parameters)
    assert isinstance(failed.value, NotThere) is model.endswith("nothing")  # a bare 404 may also be the queue's own


def test_queue_is_told_not_to_try_again_and_how_long_to_wait() -> None:
    with Host() as host, pytest.raises(StepError):
        DIALECT.provider(host.url).submit(DIALECT.request(), lambda remote_id: None, 41.5)
    [request] = host.seen
    assert (request.headers["x-fal-no-retry"], request.headers["x-fal-request-timeout"]) == ("1", "42")


def test_addresses_that_an_answer_names_are_not_asked(api: StandIn) -> None:
    with Host() as other:
        address = f"{other.url}/fal-ai/flux-pro/requests/abc"
        named = {"response_url": address, "status_url": f"{address}/status", "cancel_url": f"{address}/cancel"}
        api.add_fault("status", path=DIALECT.submit_path, status=200, body={"request_id": "abc"} | named)
        api.add_fault("status", path=REQUESTS, status=202, body={"status": "IN_QUEUE"} | named)
        provider = DIALECT.provider(api.base_url)
        found = provider.submit(DIALECT.request(), lambda remote_id: None, 10.0)
        assert found == provider.poll(KONTEXT, "abc", 5.0) == Pending("abc")
        provider.cancel(KONTEXT, "abc", 5.0)
        assert other.seen == []


def test_request_is_pending_while_it_waits_and_while_it_is_made(api: StandIn) -> None:
    provider = DIALECT.provider(api.base_url)
    api.add_fault("hold_queue")
    waiting = taken(api, ended=False)
    assert provider.poll(KONTEXT, waiting, 5.0) == Pending(waiting)
    api.clear_faults()
    api.wait_for("end", waiting)
    api.add_fault("hold")
    begun = taken(api, ended=False)
    api.wait_for("hold", begun)
    assert provider.poll(KONTEXT, begun, 5.0) == Pending(begun)


@pytest.mark.parametrize("status", [None, 7, ["COMPLETED"], "", "completed", "ERROR"])
def test_status_that_is_not_known_decides_nothing(api: StandIn, status: Any) -> None:
    api.add_fault("status", path=REQUESTS, status=200, body={"status": status})
    with pytest.raises(Unheard):
        DIALECT.provider(api.base_url).poll(KONTEXT, "abc", 5.0)


@pytest.mark.parametrize(
    "said",
    [
        Said(500, {"guest": 1}),
        Said(502, "<html>guest</html>"),
        Said(504, ""),
        Said(401, {"detail": "guest", "error_type": "unauthorized"}),
        Said(403, {"detail": "guest"}),
        Said(429, {"detail": "guest"}),
        Said(400, {"detail": "Request is still in progress"}),
        Said(404, {"detail": "Request not found"}),
        Said(200, "<html>guest</html>"),
        Said(200, []),
    ],
    ids=lambda said: f"{said.status}-{said.body!r:.20}",
)
def test_response_that_may_be_a_gateway_s_decides_nothing(api: StandIn, said: Said) -> None:
    remote_id = taken(api)
    provider = DIALECT.provider(api.base_url)
    api.add_fault("status", path=REQUESTS, skip=1, times=1, status=said.status, body=said.body)
    with pytest.raises(Unheard) as unheard:
        provider.poll(KONTEXT, remote_id, 5.0)
    assert "guest" not in str(unheard.value)
    assert len(provider.poll(KONTEXT, remote_id, 5.0).images) == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["drop", "truncate"])
def test_response_that_breaks_off_is_asked_for_again(api: StandIn, kind: str) -> None:
    remote_id = taken(api)
    provider = DIALECT.provider(api.base_url)
    api.add_fault(kind, path=REQUESTS, skip=1, times=1)
    with pytest.raises(Unheard):
        provider.poll(KONTEXT, remote_id, 5.0)
    assert len(provider.poll(KONTEXT, remote_id, 5.0).images) == 1  # type: ignore[union-attr]


def test_picture_alone_is_taken_as_well(api: StandIn) -> None:
    remote_id = taken(api)
    body = {"image": {"url": "data:image/png;base64,cGljdHVyZQ=="}, "has_nsfw_concepts": [False]}
    api.add_fault("status", path=REQUESTS, skip=1, status=200, body=body)
    assert DIALECT.provider(api.base_url).poll(KONTEXT, remote_id, 5.0).images == (b"picture",)  # type: ignore[union-attr]


def test_canceled_request_was_stopped(api: StandIn) -> None:
    api.add_fault("hold_queue")
    remote_id = taken(api, ended=False)
    provider = DIALECT.provider(api.base_url)
    provider.cancel(KONTEXT, remote_id, 5.0)
    with pytest.raises(ExecutionFailed) as failed:
        provider.poll(KONTEXT, remote_id, 5.0)
    assert failed.value.outcome == "stopped"


def test_request_that_is_over_cannot_be_canceled_and_that_is_no_trouble(api: StandIn) -> None:
    remote_id = taken(api)
    DIALECT.provider(api.base_url).cancel(KONTEXT, remote_id, 5.0)
    assert api.log("end")[0]["outcome"] == "success"
    with pytest.raises(NotThere):
        DIALECT.provider(api.base_url).cancel(KONTEXT, "abc", 5.0)


def test_request_that_waited_too_long_for_its_beginning_is_tried_again(api: StandIn) -> None:
    api.add_fault("hold_queue")
    provider = DIALECT.provider(api.base_url)
    found = provider.submit(DIALECT.request(), lambda remote_id: None, 1.0)
    assert isinstance(found, Pending)
    assert api.wait_for("end", found.remote_id)["outcome"] == "canceled"
    with pytest.raises(Transient):
        provider.poll(KONTEXT, found.remote_id, 5.0)
