"""ComfyuiExecutor against a server that goes wrong: one picture for one step, made once, from the right photo."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from jobs.comfyui.client import ComfyuiClient
from jobs.comfyui.executor import ComfyuiExecutor
from jobs.comfyui.workflow import fill_graph
from jobs.errors import ClaimLost
from jobs.errors.steps import BadAnswer, Busy, ExecutionFailed, StepError, Transient, WorkflowRejected
from jobs.orders.work import Made
from jobs.settings import Settings
from scripts.simulators.comfyui import StandIn
from tests.contract.fakes import MARK, PHOTO, SECONDS, FakeControl, mark_in, node, photo_work, save


@pytest.fixture
def control(standin: StandIn) -> FakeControl:
    return FakeControl(standin.url)


@pytest.fixture
def client(standin: StandIn) -> Iterator[ComfyuiClient]:
    """Whoever else uses the server."""
    client = ComfyuiClient(standin.url)
    yield client
    client.close()


@pytest.fixture
def executor(tmp_path: Path) -> ComfyuiExecutor:
    """With little patience."""
    settings = Settings.load(
        _env_file=None, data_dir=tmp_path, refused_s=0.5, silent_s=0.8, stall_s=0.3, lookup_gap_s=0.02
    )
    return ComfyuiExecutor(settings)


@pytest.fixture
def begin(executor: ComfyuiExecutor) -> Iterator[Callable[[FakeControl], Future[Made]]]:
    """Performs a step in the background."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda control: pool.submit(executor.perform, photo_work(), control)


def failing(executor: ComfyuiExecutor, control: FakeControl) -> StepError:
    with pytest.raises(StepError) as failed:
        executor.perform(photo_work(), control)
    return failed.value


def check_made(made: Made) -> None:
    [picture] = made.pictures
    assert mark_in(picture.full.data) == MARK


def test_picture_is_of_the_photo_and_says_nothing_else(
    standin: StandIn, executor: ComfyuiExecutor, control: FakeControl
) -> None:
    made = executor.perform(photo_work(), control)
    check_made(made)
    full = made.pictures[0].full
    with Image.open(io.BytesIO(full.data)) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (450, 600))
        assert not image.getexif()
        assert {"prompt", "workflow", "comment", "exif", "xmp", "icc_profile"}.isdisjoint(image.info)
    assert b"LoadImage" not in full.data and control.call.external_id.encode() not in full.data
    [sent] = standin.log("submit")
    assert sent["prompt_id"] == control.call.external_id
    assert sent["inputs"][0]["mark"] == f"{MARK:016x}"
    assert control.call.external_id in sent["filename_prefix"]
    assert (control.marked, control.asides, len(control.ids)) == (1, [], 1)
    assert [stage for _, stage in control.reports][:2] == ["sending", "waiting"]
    assert control.reports[-1] == (1.0, "fetching")


@pytest.mark.parametrize("kind", ["drop_after", "truncate", "cut"])
def test_submission_whose_answer_got_lost_is_found_and_not_repeated(
    standin: StandIn, executor: ComfyuiExecutor, control: FakeControl, kind: str
) -> None:
    standin.add_fault(kind, path="/prompt", times=1)
    check_made(executor.perform(photo_work(), control))
    assert standin.stats()["submissions"] == {control.call.external_id: 1}
    assert len(control.ids) == 1


def test_submission_that_never_arrived_is_sent_again_under_a_new_id(
    standin: StandIn, executor: ComfyuiExecutor, control: FakeControl
) -> None:
    standin.add_fault("drop", path="/prompt", times=1)
    check_made(executor.perform(photo_work(), control))
    assert standin.stats()["submissions"] == {control.ids[1]: 1}
    assert (len(control.ids), control.marked) == (2, 2)


def test_submission_that_gets_lost_every_time_ends_the_attempt(
    standin: StandIn, executor: ComfyuiExecutor, control: FakeControl
) -> None:
    fault = standin.add_fault("drop", path="/prompt")
    assert isinstance(failing(executor, control), Transient)
    assert fault.hits == control.marked == 3
    assert control.call.sent_at is None  # nothing of it is left outside


def test_restarted_server_is_asked_again(
    standin: StandIn, control: FakeControl, begin: Callable[[FakeControl], Future[Made]]
) -> None:
    standin.add_fault("hold", times=1)
    performing = begin(control)
    standin.wait_for("hold", control.ids[0])
    standin.restart()
    check_made(performing.result(SECONDS))
    assert standin.stats()["submissions"] == dict.fromkeys(control.ids, 1)
    assert (len(control.ids), control.asides) == (2, [])


def test_sent_call_is_followed_and_not_sent_again(
    standin: StandIn, executor: ComfyuiExecutor, client: ComfyuiClient, control: FakeControl
) -> None:
    work, prompt_id = photo_work(), control.call.external_id
    photo = client.upload(PHOTO, f"{prompt_id}.jpg", "farm")
    graph = fill_graph(work.step, photo=photo, prefix=f"farm/{prompt_id}", seed=1, options={})
    client.submit(graph, prompt_id=prompt_id, client_id=prompt_id)
    control.adopt()
    listening = standin.add_fault("drop", path="/ws")  # of its socket another may still be open
    check_made(executor.perform(replace(work, read_source=pytest.fail), control))
    assert standin.stats()["submissions"] == {prompt_id: 1}
    assert (control.marked, listening.hits) == (0, 0)


def test_prompt_that_ends_between_two_questions_is_found_at_once(
    standin: StandIn, tmp_path: Path, control: FakeControl
) -> None:
    """The queue is asked first: a prompt that has left it since is in the history then."""
    gap = 7.5
    executor = ComfyuiExecutor(Settings.load(_env_file=None, data_dir=tmp_path, lookup_gap_s=gap))
    making = standin.add_fault("hold")
    with ThreadPoolExecutor(1) as pool:
        performing = pool.submit(executor.perform, photo_work(), control)
        assert making.happened.wait(SECONDS)
        asked = standin.add_fault("hang", path="/queue", method="GET", times=1)
        assert asked.happened.wait(SECONDS)
        standin.clear_faults(kind="hold")
        standin.wait_for("end", control.ids[0])
        standin.clear_faults(number=asked.id)
        check_made(performing.result(SECONDS))
    assert gap not in control.waits


def test_sent_call_that_is_nowhere_is_sent_under_a_new_id(
    standin: StandIn, executor: ComfyuiExecutor, control: FakeControl
) -> None:
    control.adopt()
    check_made(executor.perform(photo_work(), control))
    assert standin.stats()["submissions"] == {control.ids[1]: 1}


def test_server_without_sockets_is_polled(standin: StandIn, executor: ComfyuiExecutor, control: FakeControl) -> None:
    standin.add_fault("status", path="/ws", status=404)
    check_made(executor.perform(photo_work(), control))


def test_silent_socket_does_not_hide_the_end(standin: StandIn, executor: ComfyuiExecutor, control: FakeControl) -> None:
    standin.add_fault("ws_silent")
    check_made(executor.perform(photo_work(), control))


def test_damaged_picture_is_fetched_again_and_not_made_again(
    standin: StandIn, executor: ComfyuiExecutor, control: FakeControl
) -> None:
    standin.add_fault("cut", path="/view", times=1)
    standin.add_fault("truncate", path="/view", times=1)
    check_made(executor.perform(photo_work(), control))
    assert standin.stats()["executions"] == {control.call.external_id: 1}


def test_picture_that_stays_damaged_is_a_bad_answer(
    standin: StandIn, executor: ComfyuiExecutor, control: FakeControl
) -> None:
    fault = standin.add_fault("cut", path="/view")
    assert isinstance(failing(executor, control), BadAnswer)
    assert fault.hits == 3
    assert (control.asides, len(control.ids)) == ([], 1)


def test_picture_that_always_breaks_off_is_a_bad_answer(
    standin: StandIn, executor: ComfyuiExecutor, control: FakeControl
) -> None:
    fault = standin.add_fault("truncate", path="/view")
    assert isinstance(failing(executor, control), BadAnswer)
    assert (fault.hits, control.asides) == (3, [])


def test_server_that_fails_at_the_picture_is_asked_again(
    standin: StandIn, executor: ComfyuiExecutor, control: FakeControl
) -> None:
    standin.add_fault("status", path="/view", times=2, status=502)
    check_made(executor.perform(photo_work(), control))


def test_success_without_the_file_is_a_bad_answer(
    standin: StandIn, executor: ComfyuiExecutor, control: FakeControl
) -> None:
    standin.add_fault("lose")
    assert isinstance(failing(executor, control), BadAnswer)


def test_failed_run_is_told_without_its_words(
    standin: StandIn, executor: ComfyuiExecutor, control: FakeControl
) -> None:
    standin.add_fault("exec_error", exception_type="torch.OutOfMemoryError", exception_message="words of a guest")
    error = failing(executor, control)
    assert isinstance(error, ExecutionFailed)
    assert (error.outcome, error.detail) == ("failed", "ImageInvert: torch.OutOfMemoryError")
    assert len(control.ids) == 1


def test_unknown_node_is_a_rejection(standin: StandIn, executor: ComfyuiExecutor, control: FakeControl) -> None:
    standin.configure(without=["ImageInvert"])
    error = failing(executor, control)
    assert isinstance(error, WorkflowRejected)
    assert (error.outcome, control.asides) == ("rejected", [])


def test_graph_taken_in_part_is_rejected_and_stopped(
    standin: StandIn, executor: ComfyuiExecutor, control: FakeControl
) -> None:
    standin.add_fault("hold")
    work = photo_work()
    work.step["graph"] |= {"8": node("LoadImage", image="none.jpg"), "9": save("8", "x")}
    with pytest.raises(WorkflowRejected) as refused:
        executor.perform(work, control)
    assert refused.value.outcome == "rejected"
    assert standin.stats()["remaining"] == 0


@pytest.mark.parametrize(("path", "outcome"), [("/upload", "unsent"), ("/prompt", "failed")])
def test_busy_server_says_when_to_come_back(
    standin: StandIn, executor: ComfyuiExecutor, control: FakeControl, path: str, outcome: str
) -> None:
    standin.add_fault("status", path=path, status=503, headers={"Retry-After": "7"})
    error = failing(executor, control)
    assert isinstance(error, Busy)
    assert (error.retry_after, error.outcome, control.asides) == (7, outcome, [])


def test_failing_submission_is_transient(standin: StandIn, executor: ComfyuiExecutor, control: FakeControl) -> None:
    standin.add_fault("status", path="/prompt", status=500)
    error = failing(executor, control)
    assert isinstance(error, Transient)
    assert (error.outcome, len(control.ids), control.asides) == ("failed", 1, [])


def test_failing_upload_sends_nothing(standin: StandIn, executor: ComfyuiExecutor, control: FakeControl) -> None:
    standin.add_fault("status", path="/upload", status=500)
    error = failing(executor, control)
    assert (error.outcome, control.marked) == ("unsent", 0)
    assert standin.stats()["submissions"] == {}


def test_strange_answer_to_a_submission_is_looked_up(
    standin: StandIn, executor: ComfyuiExecutor, control: FakeControl
) -> None:
    standin.add_fault("body", path="/prompt", body={"status": "ok"})
    check_made(executor.perform(photo_work(), control))
    assert standin.stats()["submissions"] == {control.call.external_id: 1}


@pytest.mark.parametrize("check", range(1, 5))
def test_lost_claim_ends_every_request(
    standin: StandIn, executor: ComfyuiExecutor, control: FakeControl, check: int
) -> None:
    later: list[Callable[[], int]] = []

    def from_now_on() -> None:
        fault = standin.add_fault("drop")
        later.append(lambda: fault.hits)

    control.lost_at, control.when_lost = check, from_now_on
    with pytest.raises(ClaimLost):
        executor.perform(photo_work(), control)
    assert later[0]() == 0
    assert len(standin.log("submit")) == (1 if check > 2 else 0)
    assert standin.log("interrupt") == standin.log("delete") == []
