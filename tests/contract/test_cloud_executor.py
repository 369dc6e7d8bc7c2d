"""CloudExecutor where calls are asked about: what was sent is followed, and bought again only knowingly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from jobs.cloud.executor import CloudExecutor
from jobs.errors import ClaimLost
from jobs.errors.steps import BadInput, ContentRefused, ExecutionFailed, OutcomeUnknown, StepError
from jobs.orders.work import Made, Work
from jobs.settings import Settings
from scripts.simulators.replicate import StandIn
from tests.contract.fakes import MARK, PHOTO, SECONDS, FakeControl, mark_in

MODEL = "black-forest-labs/flux-kontext-pro"
POLLS = "/v1/predictions"
SILENT_S = 0.3


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as api:
        yield api


@pytest.fixture
def control() -> FakeControl:
    return FakeControl("replicate")


@pytest.fixture
def make(api: StandIn, tmp_path: Path) -> Callable[..., CloudExecutor]:
    """An executor with little patience."""

    def make(**settings: Any) -> CloudExecutor:
        own = {"replicate_api_token": "r8_test", "replicate_base_url": api.base_url} | settings
        return CloudExecutor(Settings.load(_env_file=None, data_dir=tmp_path, silent_s=SILENT_S, **own))

    return make


@pytest.fixture
def executor(make: Callable[..., CloudExecutor]) -> CloudExecutor:
    return make()


@pytest.fixture
def begin(executor: CloudExecutor) -> Iterator[Callable[[FakeControl], Future[Made]]]:
    """Performs a step in the background."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda control: pool.submit(executor.perform, work(), control)


def work(read_source: Callable[[], bytes] = lambda: PHOTO) -> Work:
    step = {"provider": "replicate", "model": MODEL, "prompt": "a poster", "parameters": {}}
    return Work(step, {}, 7, read_source)


def sent_before(executor: CloudExecutor, control: FakeControl) -> str:
    """A call that an earlier attempt has sent and did not live to follow; its id at the provider."""
    earlier = FakeControl("replicate")
    earlier.lost_at = 2  # the check before the first poll
    with pytest.raises(ClaimLost):
        executor.perform(work(), earlier)
    control.call = earlier.call
    assert control.call.remote_id is not None
    return control.call.remote_id


def failing(executor: CloudExecutor, control: FakeControl) -> StepError:
    with pytest.raises(StepError) as failed:
        executor.perform(work(), control)
    return failed.value


def check_made(made: Made) -> None:
    [picture] = made.pictures
    assert mark_in(picture.full.data) == MARK


def bought(api: StandIn) -> list[str]:
    return [row["prompt_id"] for row in api.log("submit")]


def test_picture_is_bought_once_and_what_it_cost_is_known(
    api: StandIn, make: Callable[..., CloudExecutor], control: FakeControl
) -> None:
    made = make(replicate_prices={MODEL: 0.04}).perform(work(), control)
    check_made(made)
    assert made.cost == 0.04
    assert bought(api) == [control.call.remote_id]
    assert (control.marked, len(control.ids)) == (1, 1)
    assert control.reports[-1] == (1.0, "fetching")


def test_sent_call_is_asked_about_and_not_bought_again(
    api: StandIn, executor: CloudExecutor, control: FakeControl
) -> None:
    remote_id = sent_before(executor, control)
    check_made(executor.perform(work(read_source=pytest.fail), control))
    assert bought(api) == [remote_id]
    assert (control.marked, len(control.ids)) == (0, 1)


def test_sent_call_that_failed_meanwhile_is_not_bought_again_by_itself(
    api: StandIn, executor: CloudExecutor, control: FakeControl
) -> None:
    api.add_fault("task_error", body="NSFW content detected.")
    remote_id = sent_before(executor, control)
    assert isinstance(failing(executor, control), ContentRefused)
    assert bought(api) == [remote_id]


def test_sent_call_without_an_id_is_held(api: StandIn, executor: CloudExecutor, control: FakeControl) -> None:
    control.adopt()
    error = failing(executor, control)
    assert isinstance(error, OutcomeUnknown)
    assert (error.outcome, bought(api), len(control.ids)) == ("unknown", [], 1)


def test_sent_call_without_an_id_is_bought_again_where_that_is_set(
    api: StandIn, make: Callable[..., CloudExecutor], control: FakeControl
) -> None:
    control.adopt()
    check_made(make(replicate_unknown="resubmit").perform(work(), control))
    assert bought(api) == [control.call.remote_id]
    assert (len(control.ids), control.unknown, control.marked) == (2, 1, 1)


def test_call_is_bought_again_at_most_once(
    api: StandIn, make: Callable[..., CloudExecutor], control: FakeControl
) -> None:
    fault = api.add_fault("drop_after", path="/v1/models", times=3)
    assert isinstance(failing(make(replicate_unknown="resubmit"), control), OutcomeUnknown)
    assert (fault.hits, len(bought(api)), len(control.ids)) == (2, 2, 2)


def test_submission_without_an_answer_is_held(api: StandIn, executor: CloudExecutor, control: FakeControl) -> None:
    api.add_fault("drop_after", path="/v1/models")
    assert isinstance(failing(executor, control), OutcomeUnknown)
    assert (len(bought(api)), control.call.remote_id) == (1, None)


@pytest.mark.parametrize("kind", ["drop", "status"])
def test_long_silence_means_that_nobody_knows(
    api: StandIn, executor: CloudExecutor, control: FakeControl, kind: str
) -> None:
    fault = api.add_fault(kind, path=POLLS)
    assert isinstance(failing(executor, control), OutcomeUnknown)
    assert fault.hits > 2
    assert len(bought(api)) == 1


def test_short_silences_are_not_added_up(api: StandIn, executor: CloudExecutor, control: FakeControl) -> None:
    """Each is shorter than the limit, all together are longer."""
    api.add_fault("hold")
    for number in range(40):
        if number % 2:
            api.add_fault("drop", path=POLLS, times=1)
        else:
            api.add_fault("body", path=POLLS, times=1, body={"status": "processing"})
    pauses = threading.Event()

    def wait(seconds: float) -> None:
        control.waits.append(seconds)
        pauses.wait(SILENT_S / 10)
        if len(control.waits) == 40:
            api.clear_faults()

    control.wait = wait  # type: ignore[method-assign]
    check_made(executor.perform(work(), control))
    assert len(control.waits) >= 40
    assert len(bought(api)) == 1


def test_call_that_is_not_there_twice_is_unknown(api: StandIn, executor: CloudExecutor, control: FakeControl) -> None:
    fault = api.add_fault("status", path=POLLS, status=404, body={"detail": "not found"})
    assert isinstance(failing(executor, control), OutcomeUnknown)
    assert (fault.hits, len(bought(api))) == (2, 1)


def test_call_that_is_not_there_once_is_asked_about_again(
    api: StandIn, executor: CloudExecutor, control: FakeControl
) -> None:
    fault = api.add_fault("status", path=POLLS, status=404, times=1)
    check_made(executor.perform(work(), control))
    assert (fault.hits, len(bought(api))) == (1, 1)


def test_provider_says_how_long_not_to_ask(api: StandIn, executor: CloudExecutor, control: FakeControl) -> None:
    api.add_fault("status", path=POLLS, status=429, times=1, headers={"Retry-After": "40"})
    check_made(executor.perform(work(), control))
    assert [wait for wait in control.waits if 32 <= wait <= 48] == [control.waits[1]]


def test_time_limit_stops_the_call_by_its_id(
    api: StandIn, control: FakeControl, begin: Callable[[FakeControl], Future[Made]]
) -> None:
    api.add_fault("hold")
    performing = begin(control)
    held = api.wait_for("hold")
    control.run_out()
    with pytest.raises(ExecutionFailed) as failed:
        performing.result(SECONDS)
    assert failed.value.outcome == "stopped"
    assert api.wait_for("end", held["prompt_id"])["outcome"] == "canceled"
    assert bought(api) == [control.call.remote_id] == [held["prompt_id"]]


def test_time_limit_ends_the_step_also_when_nothing_can_be_stopped(
    api: StandIn, control: FakeControl, begin: Callable[[FakeControl], Future[Made]]
) -> None:
    api.add_fault("hold")
    performing = begin(control)
    api.wait_for("hold")
    fault = api.add_fault("drop", path=POLLS, method="POST")
    control.run_out()
    with pytest.raises(ExecutionFailed):
        performing.result(SECONDS)
    assert fault.hits == 1


@pytest.mark.parametrize("check", [2, 3, 4, 5])
def test_lost_claim_leaves_the_call_alone(
    api: StandIn, executor: CloudExecutor, control: FakeControl, check: int
) -> None:
    api.add_fault("hold")
    later: list[Callable[[], int]] = []

    def from_now_on() -> None:
        fault = api.add_fault("drop")
        later.append(lambda: fault.hits)

    control.lost_at, control.when_lost = check, from_now_on
    with pytest.raises(ClaimLost):
        executor.perform(work(), control)
    assert later[0]() == 0
    assert api.log("end") == []
    api.clear_faults()
    assert api.wait_for("end", control.call.remote_id)["outcome"] == "success"


def test_claim_lost_before_the_submission_buys_nothing(
    api: StandIn, executor: CloudExecutor, control: FakeControl
) -> None:
    control.lost_at = 1
    with pytest.raises(ClaimLost):
        executor.perform(work(), control)
    assert bought(api) == []


def test_photo_that_cannot_be_uploaded_leaves_nothing_sent(
    api: StandIn, make: Callable[..., CloudExecutor], control: FakeControl
) -> None:
    api.add_fault("status", path="/v1/files", status=500)
    error = failing(make(replicate_inline_bytes=0), control)
    assert (error.kind, error.outcome, bought(api)) == ("transient", "unsent", [])


def test_result_that_is_gone_is_not_bought_again_by_itself(
    api: StandIn, executor: CloudExecutor, control: FakeControl
) -> None:
    fault = api.add_fault("expire")
    error = failing(executor, control)
    assert (error.kind, fault.hits, len(bought(api))) == ("bad_answer", 3, 1)


@pytest.mark.parametrize("settings", [{"replicate_api_token": ""}, {}])
def test_style_of_a_provider_that_is_not_there_sends_nothing(
    make: Callable[..., CloudExecutor], control: FakeControl, settings: dict[str, Any]
) -> None:
    wanted = work()
    wanted.step["provider"] = "replicate" if settings else "nobody"
    with pytest.raises(BadInput) as failed:
        make(**settings).perform(wanted, control)
    assert (failed.value.outcome, control.marked) == ("unsent", 0)


def test_a_claim_that_is_lost_while_the_photo_is_uploaded_buys_nothing(
    make: Callable[..., CloudExecutor], api: StandIn, control: FakeControl
) -> None:
    control.lost_at = 2  # the check after the upload
    with pytest.raises(ClaimLost):
        make(replicate_inline_bytes=0).perform(work(), control)
    assert api.log("submit") == []
