"""The DashScope provider, as far as it is of its own: its three ways of asking, and what can be asked about later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from jobs.cloud.provider import Done, ImageRequest, NotThere, Pending, Provider, Unheard
from jobs.errors.steps import BadAnswer, BadInput, ContentRefused, ExecutionFailed, OutcomeUnknown, StepError
from scripts.simulators.dashscope import StandIn
from tests.contract.dialects.dashscope import DIALECT, UNSAFE
from tests.contract.fakes import MARK, mark_in, opened

SYNC = "/v1/services/aigc/multimodal-generation"


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as api:
        yield api


@pytest.fixture
def provider(api: StandIn) -> Provider:
    return DIALECT.provider(api.base_url)


def asking(model: str = DIALECT.model, **parameters: Any) -> ImageRequest:
    return replace(DIALECT.request(), model=model, parameters=parameters)


def paths(api: StandIn) -> list[str]:
    return [row["path"].rpartition("/aigc/")[2] for row in api.log("submit")]


def test_synchronous_picture_comes_in_the_answer(api: StandIn, provider: Provider) -> None:
    kept: list[str] = []
    done = provider.submit(asking(mode="sync", size="768*1152", watermark=False), kept.append, 10.0)
    assert isinstance(done, Done)
    assert [(opened(data).size, mark_in(data)) for data in done.images] == [((768, 1152), MARK)]
    assert paths(api) == ["multimodal-generation/generation"]
    assert kept == [api.log("submit")[0]["prompt_id"]]


def test_id_of_a_synchronous_call_is_no_task_to_ask_about(api: StandIn, provider: Provider) -> None:
    kept: list[str] = []
    provider.submit(asking(mode="sync"), kept.append, 10.0)
    with pytest.raises(NotThere):
        provider.poll(DIALECT.model, kept[0], 5.0)
    provider.cancel(DIALECT.model, kept[0], 5.0)
    assert api.log("cancel") == []


@pytest.mark.parametrize("remote_id", ["", "..", "a/b", "a?b", "x" * 101, "ä"])
def test_what_cannot_be_an_id_is_asked_of_nobody(api: StandIn, provider: Provider, remote_id: str) -> None:
    asked = api.add_fault("drop")
    with pytest.raises(NotThere):
        provider.poll(DIALECT.model, remote_id, 5.0)
    provider.cancel(DIALECT.model, remote_id, 5.0)
    assert asked.hits == 0


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("wan2.5-i2i-preview", {"n": 1, "size": "768*1024", "negative_prompt": "text"}),
        ("wanx2.1-imageedit", {"n": 1, "function": "stylization_all", "strength": 0.5}),
    ],
)
def test_older_models_have_a_path_and_a_body_of_their_own(
    api: StandIn, provider: Provider, model: str, parameters: dict[str, Any]
) -> None:
    found = provider.submit(asking(model, mode="image2image", **parameters), lambda remote_id: None, 10.0)
    assert isinstance(found, Pending)
    done = DIALECT.wait_for(provider, found.remote_id)
    assert [mark_in(data) for data in done.images] == [MARK]
    assert paths(api) == ["image2image/image-synthesis"]


@pytest.mark.parametrize("mode", ["", "async", 1, True])
def test_mode_that_does_not_exist_is_a_mistake_of_the_style(api: StandIn, provider: Provider, mode: Any) -> None:
    asked = api.add_fault("drop")
    with pytest.raises(BadInput) as failed:
        provider.submit(asking(mode=mode), lambda remote_id: None, 5.0)
    assert (failed.value.outcome, asked.hits) == ("unsent", 0)


def test_several_pictures_are_fetched(provider: Provider) -> None:
    done = provider.submit(asking(mode="sync", n=3), lambda remote_id: None, 10.0)
    assert isinstance(done, Done)
    assert [mark_in(data) for data in done.images] == [MARK] * 3


def test_pictures_that_were_made_count_beside_one_that_was_not(api: StandIn, provider: Provider) -> None:
    found = provider.submit(asking(), lambda remote_id: None, 10.0)
    assert isinstance(found, Pending)
    api.wait_for("end", found.remote_id)
    url = f"{api.url}/results/{found.remote_id}/0.png"
    results = [{"code": "InternalError.Timeout", "message": "late"}, {"url": url}]
    body = {"output": {"task_id": found.remote_id, "task_status": "SUCCEEDED", "results": results}}
    api.add_fault("status", path=DIALECT.poll_path, status=200, body=body)
    done = provider.poll(DIALECT.model, found.remote_id, 10.0)
    assert isinstance(done, Done)
    assert [mark_in(data) for data in done.images] == [MARK]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"code": "DataInspectionFailed", "message": UNSAFE, "request_id": "1"}, ContentRefused),
        ({"output": {"choices": []}, "request_id": 7}, BadAnswer),
        ({"output": {"choices": {"guest": 1}}, "request_id": "1"}, BadAnswer),
        ({"output": {"choices": [{"message": {"content": "guest"}}]}}, BadAnswer),
        ({"output": {"task_id": "abc", "task_status": "PENDING"}, "request_id": "1"}, BadAnswer),
    ],
)
def test_synchronous_answer_without_a_picture_is_read_by_its_code(
    api: StandIn, provider: Provider, body: Any, error: type[StepError]
) -> None:
    api.add_fault("status", path=SYNC, status=200, body=body)
    with pytest.raises(StepError) as failed:
        provider.submit(asking(mode="sync"), lambda remote_id: None, 5.0)
    assert type(failed.value) is error
    assert "guest" not in f"{failed.value} {failed.value.detail}"


def test_synchronous_answer_that_does_not_come_leaves_nothing_to_ask_about(api: StandIn, provider: Provider) -> None:
    kept: list[str] = []
    api.add_fault("drop_after", path=SYNC)
    with pytest.raises(OutcomeUnknown):
        provider.submit(asking(mode="sync"), kept.append, 5.0)
    assert (kept, len(api.log("submit"))) == ([], 1)


@pytest.mark.parametrize(
    "body",
    [
        {"code": "Throttling", "message": "guest"},
        {"output": None},
        {"output": {}},
        {"output": {"task_status": ["SUCCEEDED"]}},
        {"output": {"task_status": "BLOOMING"}},
        {"output": {"task_id": "another", "task_status": "SUCCEEDED"}},
        {"output": {"task_id": 5, "task_status": "FAILED", "code": "Arrearage"}},
    ],
    ids=repr,
)
def test_poll_that_tells_nothing_of_this_task_decides_nothing(api: StandIn, provider: Provider, body: Any) -> None:
    found = provider.submit(asking(), lambda remote_id: None, 10.0)
    assert isinstance(found, Pending)
    api.add_fault("status", path=DIALECT.poll_path, status=200, body=body)
    with pytest.raises(Unheard) as unheard:
        provider.poll(DIALECT.model, found.remote_id, 5.0)
    assert not isinstance(unheard.value, NotThere)


def test_task_that_failed_is_read_by_its_code(api: StandIn, provider: Provider) -> None:
    api.add_fault("task_error", body={"code": "DataInspectionFailed", "message": UNSAFE})
    with pytest.raises(ContentRefused):
        DIALECT.buy(provider)


def test_task_that_has_expired_is_not_there(api: StandIn, provider: Provider) -> None:
    found = provider.submit(asking(), lambda remote_id: None, 10.0)
    assert isinstance(found, Pending)
    api.add_fault("forget", times=1)
    for _ in range(2):
        with pytest.raises(NotThere):
            provider.poll(DIALECT.model, found.remote_id, 5.0)


def test_task_that_runs_cannot_be_taken_back(api: StandIn, provider: Provider) -> None:
    api.add_fault("hold")
    found = provider.submit(asking(), lambda remote_id: None, 10.0)
    assert isinstance(found, Pending)
    api.wait_for("hold", found.remote_id)
    provider.cancel(DIALECT.model, found.remote_id, 5.0)
    assert isinstance(provider.poll(DIALECT.model, found.remote_id, 5.0), Pending)
    api.clear_faults()
    assert DIALECT.wait_for(provider, found.remote_id)


def test_task_that_was_taken_back_has_ended_for_good(api: StandIn, provider: Provider) -> None:
    api.add_fault("hold_queue")
    found = provider.submit(asking(), lambda remote_id: None, 10.0)
    assert isinstance(found, Pending)
    provider.cancel(DIALECT.model, found.remote_id, 5.0)
    with pytest.raises(ExecutionFailed) as failed:
        provider.poll(DIALECT.model, found.remote_id, 5.0)
    assert failed.value.outcome == "stopped"


@pytest.mark.parametrize("status", [401, 429, 500])
def test_canceling_that_was_not_heard_is_told(api: StandIn, provider: Provider, status: int) -> None:
    api.add_fault("status", path=DIALECT.poll_path, method="POST", status=status, headers={"Retry-After": "7"})
    with pytest.raises(Unheard) as unheard:
        provider.cancel(DIALECT.model, "abc", 5.0)
    assert unheard.value.retry_after == 7
