"""What is Replicate's alone: how models are addressed, how photos are handed over, whose addresses are believed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jobs.cloud.provider import ImageRequest, Unheard
from jobs.errors.steps import AccountRefused, Away, BadAnswer, BadInput, Busy, StepError, Transient
from scripts.simulators.replicate import StandIn
from scripts.simulators.replicate_requests import FACES, FACES_VERSION
from tests.contract.dialects.dialect import Said
from tests.contract.dialects.replicate import DIALECT, problem
from tests.contract.fakes import MARK, PHOTO, mark_in

KONTEXT = "black-forest-labs/flux-kontext-pro"


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as api:
        yield api


def buy(api: StandIn, model: str, parameters: dict[str, Any], *, prompt: str = "a poster", **settings: Any) -> bytes:
    provider = DIALECT.provider(api.base_url, **settings)
    taken = provider.submit(ImageRequest(PHOTO, prompt, model, parameters, "key-1"), lambda remote_id: None, 10.0)
    [image] = DIALECT.wait_for(provider, taken.remote_id).images  # type: ignore[union-attr]
    return image


def failing(api: StandIn, **settings: Any) -> StepError:
    with pytest.raises(StepError) as failed:
        buy(api, KONTEXT, {}, **settings)
    return failed.value


@pytest.mark.parametrize(
    ("model", "parameters", "path"),
    [
        (KONTEXT, {}, f"/v1/models/{KONTEXT}/predictions"),
        (KONTEXT, {"image_field": "input_image"}, f"/v1/models/{KONTEXT}/predictions"),
        (
            "black-forest-labs/flux-2-pro",
            {"image_field": "input_images[]"},
            "/v1/models/black-forest-labs/flux-2-pro/predictions",
        ),
        ("google/nano-banana", {"image_field": "image_input[]"}, "/v1/models/google/nano-banana/predictions"),
        (f"{FACES}:{FACES_VERSION}", {"image_field": "image"}, "/v1/predictions"),
        (FACES_VERSION, {"image_field": "image"}, "/v1/predictions"),
    ],
)
def test_each_model_is_asked_where_it_is_and_as_it_wants_the_photo(
    api: StandIn, model: str, parameters: dict[str, Any], path: str
) -> None:
    assert mark_in(buy(api, model, parameters)) == MARK
    assert [row["path"] for row in api.log("submit")] == [path]


def test_model_that_takes_no_prompt_gets_none(api: StandIn) -> None:
    assert mark_in(buy(api, FACES_VERSION, {"image_field": "image"}, prompt="")) == MARK


def test_unknown_model_and_field_are_the_style_s_fault(api: StandIn) -> None:
    for model, parameters in (("nobody/nothing", {}), (KONTEXT, {"image_field": "picture"}), (KONTEXT, {"size": 7})):
        with pytest.raises(BadInput):
            buy(api, model, parameters)
    assert api.log("submit") == []


def test_small_photo_goes_inside_the_request_and_a_large_one_ahead_of_it(api: StandIn) -> None:
    assert mark_in(buy(api, KONTEXT, {}, inline_bytes=len(PHOTO))) == MARK
    assert api.log("upload") == []
    assert mark_in(buy(api, KONTEXT, {}, inline_bytes=len(PHOTO) - 1)) == MARK
    [uploaded] = api.log("upload")
    inputs = [row["inputs"][0]["sha256"] for row in api.log("submit")]
    assert inputs == [uploaded["sha256"]] * 2


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (problem(500, "guest"), Transient),
        (problem(401, "guest"), AccountRefused),
        (problem(413, "guest"), BadInput),
        (problem(429, "Your rate limit resets in ~30s."), Busy),
        (Said(201, "<html>guest</html>"), BadAnswer),
        (Said(201, {"urls": ["guest"]}), BadAnswer),
        (Said(201, {"urls": {"get": 7}}), BadAnswer),
        (Said(201, []), BadAnswer),
    ],
)
def test_failed_upload_leaves_the_call_unsent(api: StandIn, said: Said, error: type[StepError]) -> None:
    fault = api.add_fault("status", path="/v1/files", status=said.status, body=said.body)
    failed = failing(api, inline_bytes=0)
    assert (type(failed), failed.outcome, fault.hits) == (error, "unsent", 1)
    assert "guest" not in f"{failed} {failed.detail}"
    assert api.log("submit") == []


@pytest.mark.parametrize("kind", ["drop", "truncate"])
def test_upload_without_an_answer_leaves_the_call_unsent(api: StandIn, kind: str) -> None:
    api.add_fault(kind, path="/v1/files")
    failed = failing(api, inline_bytes=0)
    assert (type(failed), failed.outcome, api.log("submit")) == (Transient, "unsent", [])


def test_upload_to_nobody_leaves_the_call_unsent() -> None:
    gone = StandIn().start()
    gone.stop()
    failed = failing(gone, inline_bytes=0)
    assert isinstance(failed, Away)
    assert (failed.refused, failed.outcome) == (True, "unsent")


def test_rate_that_is_named_in_words_is_heeded(api: StandIn) -> None:
    api.add_fault("status", path="/v1/models", status=429, body=DIALECT.rate.body)
    failed = failing(api)
    assert isinstance(failed, Busy)
    assert failed.retry_after == 30


def test_poll_heeds_the_rate_that_is_named_in_words(api: StandIn) -> None:
    api.add_fault("status", path="/v1/predictions", status=429, body=DIALECT.rate.body)
    with pytest.raises(Unheard) as unheard:
        DIALECT.provider(api.base_url).poll(KONTEXT, "abc", 5.0)
    assert unheard.value.retry_after == 30


def test_addresses_that_an_answer_names_are_not_asked(api: StandIn) -> None:
    with StandIn() as other:
        elsewhere = {"get": f"{other.base_url}/predictions/x", "cancel": f"{other.base_url}/predictions/x/cancel"}
        heard = other.add_fault("status", status=500)
        taken = {"id": "abc", "status": "starting", "urls": elsewhere}
        api.add_fault("status", path="/v1/models", status=201, body=taken)
        api.add_fault("status", path="/v1/predictions", status=200, body=taken | {"status": "processing"})
        provider = DIALECT.provider(api.base_url)
        found = provider.submit(DIALECT.request(), lambda remote_id: None, 10.0)
        assert provider.poll(KONTEXT, "abc", 5.0) == found
        provider.cancel(KONTEXT, "abc", 5.0)
        assert heard.hits == 0


@pytest.mark.parametrize("status", [None, 7, ["failed"], {"guest": 1}, "", "booting"])
def test_poll_that_tells_no_known_status_decides_nothing(api: StandIn, status: Any) -> None:
    api.add_fault("status", path="/v1/predictions", status=200, body={"id": "abc", "status": status})
    with pytest.raises(Unheard):
        DIALECT.provider(api.base_url).poll(KONTEXT, "abc", 5.0)


@pytest.mark.parametrize("said", [Said(401, {}), Said(402, {}), Said(422, {"detail": "E005"})], ids=str)
def test_poll_that_is_refused_for_itself_decides_nothing(api: StandIn, said: Said) -> None:
    api.add_fault("status", path="/v1/predictions", status=said.status, body=said.body)
    with pytest.raises(Unheard):
        DIALECT.provider(api.base_url).poll(KONTEXT, "abc", 5.0)


def test_refused_cancel_is_told(api: StandIn) -> None:
    with pytest.raises(Unheard):
        DIALECT.provider(api.base_url).cancel(KONTEXT, "abc", 5.0)


def test_all_pictures_of_a_list_are_fetched(api: StandIn) -> None:
    provider = DIALECT.provider(api.base_url)
    parameters = {"image_field": "image_input[]", "num_outputs": 2}
    request = ImageRequest(PHOTO, "a poster", "google/nano-banana", parameters, "key-1")
    taken = provider.submit(request, lambda remote_id: None, 10.0)
    done = DIALECT.wait_for(provider, taken.remote_id)  # type: ignore[union-attr]
    assert [mark_in(data) for data in done.images] == [MARK, MARK]


def test_picture_may_come_inside_the_answer(api: StandIn) -> None:
    body = {"status": "succeeded", "output": "data:image/png;base64,cGljdHVyZQ=="}
    api.add_fault("status", path="/v1/predictions", status=200, body=body)
    assert DIALECT.wait_for(DIALECT.provider(api.base_url), "abc").images == (b"picture",)
