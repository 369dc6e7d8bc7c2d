"""ComfyuiExecutor at servers that hang, are gone or do not move: it leaves them in time, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

import jobs.comfyui.client
import jobs.comfyui.executor
from jobs.comfyui.client import ComfyuiClient
from jobs.comfyui.executor import ComfyuiExecutor
from jobs.errors import ClaimLost
from jobs.errors.steps import Away, ExecutionFailed, StepError
from jobs.orders.work import Made
from jobs.settings import Settings
from scripts.simulators.comfyui import StandIn
from tests.contract.fakes import MARK, SECONDS, FakeControl, mark_in, photo_work, running_at, submit, until

Begin = Callable[[FakeControl], Future[Made]]


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.comfyui.client, "SILENCE_SECONDS", 0.3)
    monkeypatch.setattr(jobs.comfyui.executor, "STOP_SECONDS", 1.0)
    monkeypatch.setattr(jobs.comfyui.executor, "POLL_LISTENING_SECONDS", 0.1)


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Performs a step in the background."""
    settings = Settings.load(
        _env_file=None, data_dir=tmp_path, refused_s=0.5, silent_s=0.8, stall_s=0.3, lookup_gap_s=0.02
    )
    with ThreadPoolExecutor(1) as pool:
        yield lambda control: pool.submit(ComfyuiExecutor(settings).perform, photo_work(), control)


@pytest.fixture
def control(standin: StandIn) -> FakeControl:
    return FakeControl(standin.url)


@pytest.fixture
def client(standin: StandIn) -> Iterator[ComfyuiClient]:
    """Whoever else uses the server."""
    client = ComfyuiClient(standin.url)
    yield client
    client.close()


def error_of(performing: Future[Made]) -> StepError:
    error = performing.exception(SECONDS)
    assert isinstance(error, StepError), error
    return error


def test_time_limit_interrupts_the_prompt_by_its_id(standin: StandIn, control: FakeControl, begin: Begin) -> None:
    standin.add_fault("hold")
    standin.add_fault("drop", path="/ws")  # so that the reports are those of polling
    performing = begin(control)
    until(lambda: (0.0, "making") in control.reports)
    control.run_out()
    error = error_of(performing)
    assert isinstance(error, ExecutionFailed)
    assert (error.outcome, control.asides) == ("stopped", [])
    assert standin.stats()["remaining"] == 0
    assert {row["prompt_id"] for row in standin.log("interrupt")} == {control.call.external_id}
    assert standin.log("end")[0]["outcome"] == "interrupted"


def test_time_limit_of_a_waiting_prompt_touches_no_other(
    standin: StandIn, client: ComfyuiClient, control: FakeControl, begin: Begin
) -> None:
    standin.add_fault("hold")
    other = submit(client)
    standin.wait_for("hold", other)
    control.followed.add(other)
    performing = begin(control)
    standin.wait_for("submit", control.call.external_id)
    control.run_out()
    error = error_of(performing)
    assert isinstance(error, Away)
    assert (error.outcome, control.asides) == ("stopped", [])
    assert client.queue().running == (other,)
    assert [row["prompt_id"] for row in standin.log("delete")] == [control.call.external_id]


def test_prompt_that_does_not_stop_sets_its_server_aside(standin: StandIn, control: FakeControl, begin: Begin) -> None:
    standin.add_fault("hold", stubborn=True)
    performing = begin(control)
    standin.wait_for("hold", control.call.external_id)
    control.run_out()
    error = error_of(performing)
    assert isinstance(error, ExecutionFailed)
    assert error.outcome == "unknown"
    assert [stuck for _, stuck in control.asides] == [control.call.external_id]


def test_refused_connection_leaves_the_server_before_anything_is_sent(begin: Begin) -> None:
    gone = StandIn().start()
    gone.stop()
    control = FakeControl(gone.url)
    error = error_of(begin(control))
    assert isinstance(error, Away)
    assert (error.outcome, error.refused, control.marked) == ("unsent", True, 0)
    assert control.asides == [("refuses connections", None)]


def test_server_that_stays_away_is_left(begin: Begin) -> None:
    gone = StandIn().start()
    gone.add_fault("hold")
    control = FakeControl(gone.url)
    performing = begin(control)
    gone.wait_for("hold", control.call.external_id)
    gone.stop()
    error = error_of(performing)
    assert isinstance(error, Away)
    assert (error.outcome, len(control.ids)) == ("unknown", 1)
    assert control.asides == [("refuses connections", None)]


def test_server_that_is_away_for_a_moment_is_waited_for(standin: StandIn, control: FakeControl, begin: Begin) -> None:
    standin.add_fault("hold", times=1)
    performing = begin(control)
    standin.wait_for("hold", control.call.external_id)
    fault = standin.add_fault("drop", path="/queue", times=3)
    standin.restart(memory=False)
    assert fault.happened.wait(SECONDS)
    standin.clear_faults(kind="hold")
    [picture] = performing.result(SECONDS).pictures
    assert mark_in(picture.full.data) == MARK
    assert (len(control.ids), control.asides) == (1, [])


@pytest.mark.parametrize(
    "fault",
    [{"kind": "hang"}, {"kind": "status", "status": 500}, {"kind": "body", "body": "<html>", "status": 200}],
    ids=lambda fault: fault["kind"],
)
def test_server_that_answers_nothing_useful_is_left(
    standin: StandIn, control: FakeControl, begin: Begin, fault: dict[str, str]
) -> None:
    standin.add_fault("hold")
    performing = begin(control)
    standin.wait_for("hold", control.call.external_id)
    standin.add_fault(**fault, path="/queue")
    error = error_of(performing)
    assert isinstance(error, Away)
    assert (error.outcome, len(control.asides), len(control.ids)) == ("unknown", 1, 1)
    assert control.asides[0][0].startswith("does not answer")


def test_silence_is_counted_from_the_last_answer_not_from_the_first_question_that_timed_out(
    standin: StandIn, control: FakeControl, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs.comfyui.client, "SILENCE_SECONDS", 1.0)  # longer than the silence that is borne
    standin.add_fault("hold")
    performing = begin(control)
    until(lambda: (0.0, "making") in control.reports)
    hang = standin.add_fault("hang", path="/queue")
    assert isinstance(error_of(performing), Away)
    assert hang.hits == 1


def test_prompt_of_nobody_that_does_not_move_sets_its_server_aside(
    standin: StandIn, client: ComfyuiClient, control: FakeControl, begin: Begin
) -> None:
    standin.add_fault("zombie", times=1)
    stuck = submit(client)
    standin.wait_for("start", stuck)
    error = error_of(begin(control))
    assert isinstance(error, Away)
    assert error.outcome == "stopped"
    assert [other for _, other in control.asides] == [stuck]
    assert set(control.asked_about) == {stuck}
    assert [row["prompt_id"] for row in standin.log("delete")] == [control.call.external_id]
    queue = client.queue()
    assert (queue.running, queue.pending) == ((stuck,), ())


def test_prompt_that_somebody_follows_is_waited_for(
    standin: StandIn, client: ComfyuiClient, control: FakeControl, begin: Begin
) -> None:
    standin.add_fault("hold", times=1)
    other = submit(client)
    standin.wait_for("hold", other)
    control.followed.add(other)
    performing = begin(control)
    assert control.asked.wait(SECONDS)
    standin.clear_faults()
    [picture] = performing.result(SECONDS).pictures
    assert mark_in(picture.full.data) == MARK
    assert control.asides == []


def test_lost_claim_leaves_a_running_prompt_to_the_next(
    standin: StandIn, client: ComfyuiClient, control: FakeControl, begin: Begin
) -> None:
    standin.add_fault("hold")
    performing = begin(control)
    standin.wait_for("hold", control.call.external_id)
    control.lost_at = control.checks + 1
    assert isinstance(performing.exception(SECONDS), ClaimLost)
    running_at(client, control.call.external_id)
    assert standin.log("interrupt") == standin.log("delete") == []
