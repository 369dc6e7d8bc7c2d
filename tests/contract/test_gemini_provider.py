"""What Gemini has of its own: times to wait inside the body, drafts beside the picture, an id inside the answer."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from jobs.errors.steps import Busy, ContentRefused, StepError
from scripts.simulators.gemini import StandIn
from tests.contract.dialects.gemini import DIALECT, PER_MINUTE, blocked, finished, used_up
from tests.contract.fakes import MARK, mark_in


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as api:
        yield api


def failing(api: StandIn) -> StepError:
    with pytest.raises(StepError) as failed:
        DIALECT.buy(DIALECT.provider(api.base_url))
    return failed.value


def inline(data: bytes, **more: Any) -> dict[str, Any]:
    return {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(data).decode()}} | more


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [("22s", 22), ("41.52s", 41.52), ("0.2s", 1), ("-3s", 1), ("99999s", 120), ("soon", None), (22, None)],
)
def test_time_to_wait_is_read_from_the_body_within_bounds(api: StandIn, wait: Any, seconds: float | None) -> None:
    api.add_fault("status", status=429, body=used_up(PER_MINUTE, wait=wait))
    failed = failing(api)
    assert isinstance(failed, Busy)
    assert failed.retry_after == seconds


def test_header_goes_before_the_body(api: StandIn) -> None:
    api.add_fault("status", status=429, body=used_up(PER_MINUTE), headers={"Retry-After": "7"})
    failed = failing(api)
    assert isinstance(failed, Busy)
    assert failed.retry_after == 7


def test_style_names_shape_and_size(api: StandIn) -> None:
    request = DIALECT.request()
    request.parameters.update({"aspectRatio": "9:16"})
    bought = DIALECT.provider(api.base_url).submit(request, lambda remote_id: None, 10.0)
    assert [mark_in(data) for data in bought.images] == [MARK]  # type: ignore[union-attr]
    assert api.log("submit")[0]["size"] == "768x1344"


def test_style_without_parameters_gets_the_photos_shape(api: StandIn) -> None:
    request = DIALECT.request()
    request.parameters.clear()
    DIALECT.provider(api.base_url).submit(request, lambda remote_id: None, 10.0)
    assert api.log("submit")[0]["size"] == "864x1184"


def test_drafts_and_talk_are_passed_over(api: StandIn) -> None:
    parts = ({"text": "words"}, inline(b"draft", thought=True), inline(b"picture"), inline(b"another"))
    api.add_fault("body", path="/v1beta/models", body=finished("STOP", *parts))
    assert DIALECT.buy(DIALECT.provider(api.base_url)).images == (b"picture",)


def test_id_of_a_refused_call_is_kept_too(api: StandIn) -> None:
    kept: list[str] = []
    api.add_fault("body", path="/v1beta/models", body=blocked("SAFETY") | {"responseId": "Zx1_-aN"})
    with pytest.raises(ContentRefused):
        DIALECT.buy(DIALECT.provider(api.base_url), kept.append)
    assert kept == ["Zx1_-aN"]


def test_model_stays_within_its_place_in_the_address(api: StandIn) -> None:
    fault = api.add_fault("status", path="/v1beta/models", status=404, body={})
    with pytest.raises(StepError):
        DIALECT.provider(api.base_url).submit(replace(DIALECT.request(), model="../x"), lambda remote_id: None, 10.0)
    assert fault.hits == 1
