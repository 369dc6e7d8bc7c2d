"""What booths see: lost, ghost, over-admitted, another's picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from scripts.storming.checking.rows import EventRow, StoredFile
from tests.unit.storm_checking.story import Story, at, drop


def no_row(story: Story) -> None:
    story.booths.append(at(30, "post", booth="b", order_id="order-1", mark="f", photo_sha256="x", style="s", send=2))
    story.booths.append(story.answer(1, 31, 202, ["task-9"], send=2))


def other_photo(story: Story) -> None:
    [row] = [row for row in story.booths if row["event"] == "order" and row["order_id"] == "order-1"]
    row["tasks"][0]["photo_sha256"] = "another"


def canceled_by_nobody(story: Story) -> None:
    story.change("tasks", 0, status="canceled")


def torn_photo(story: Story) -> None:
    story.files["photos/1.jpg"] = StoredFile(40, 30)


def missing_picture(story: Story) -> None:
    del story.files["images/1.jpg"]


def failed_without_kind(story: Story) -> None:
    story.change("tasks", 0, status="failed")


def no_end(story: Story) -> None:
    story.change("tasks", 0, status="running")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (no_row, "has no row"),
        (other_photo, "another hash"),
        (canceled_by_nobody, "no booth asked"),
        (torn_photo, "torn: 40 of 100"),
        (missing_picture, "images/1.jpg is gone"),
        (failed_without_kind, "without a kind"),
        (no_end, "still running"),
    ],
)
def test_i1_what_was_acknowledged_and_is_not_there_whole_is_lost(spoil: Callable[[Story], None], words: str) -> None:
    story = Story()
    spoil(story)
    assert any(words in finding.sentence for finding in story.found()["lost"])


def test_i1_a_task_that_was_canceled_by_its_booth_is_not_lost() -> None:
    story = Story()
    story.change("tasks", 0, status="canceled")
    story.booths.append(at(12, "cancel", booth="booth-1", order_id="order-1", status=0))
    assert "lost" not in story.found()


def test_what_was_only_ever_refused_and_is_there_is_a_ghost() -> None:
    story = Story()
    drop(story.booths, "answer", order_id="order-2")
    story.booths.append(story.answer(2, 20.1, 503, []))
    [ghost] = story.found()["ghost"]
    assert (ghost.order_id, ghost.sentence) == ("order-2", "only ever answered [503], and yet there")


def test_what_nobody_sent_is_a_ghost() -> None:
    story = Story()
    drop(story.booths, "post", order_id="order-2")
    assert "no booth has sent" in story.found()["ghost"][0].sentence


@pytest.mark.parametrize("written", [True, False], ids=["no_answer", "nothing at all"])
def test_what_got_no_answer_may_be_there_or_not(written: bool) -> None:
    story = Story()
    drop(story.booths, "answer", order_id="order-2")
    if written:
        story.booths.append(at(25, "no_answer", booth="booth-1", order_id="order-2", send=1, error="reset"))
    assert story.found() == {}


@pytest.mark.parametrize("change", [{"mark": "0" * 16}, {"mark": None}, {"sha256_ok": False}])
def test_i11_anothers_or_a_damaged_picture_is_wrong(change: dict[str, Any]) -> None:
    story = Story()
    [row] = [row for row in story.booths if row["event"] == "picture" and row["order_id"] == "order-1"]
    row.update(change)
    [finding] = story.found()["wrong picture"]
    assert finding.task_id == "task-1"


def test_i11_a_step_that_was_given_anothers_photo_is_wrong() -> None:
    story = Story()
    story.comfyui[1]["inputs"] = [{"mark": "0" * 16}]
    assert "made of a photo" in story.found()["wrong picture"][0].sentence


def test_i11_a_provider_that_was_given_anothers_photo_is_wrong() -> None:
    story = Story()
    [took] = [row for row in story.clouds if row["event"] == "submit"]
    took["inputs"] = [{"mark": "0" * 16}]
    assert "made of a photo" in story.found()["wrong picture"][0].sentence


def test_i4_a_look_above_the_limit_is_over_admitted() -> None:
    story = Story()
    story.booths.append(at(11, "queue", booth="booth-1", queued=3))
    assert "3 queued in a booth's look" in story.found()["over-admitted"][0].sentence


def test_i4_rows_that_were_queued_at_once_above_the_limit_are_over_admitted() -> None:
    story = Story()
    for number in (3, 4):
        story.tasks.append(replace(story.tasks[0], id=number, task_id=f"task-{number}", created_at=10.0 + number / 10))
    [finding] = story.found()["over-admitted"]
    assert "number 3 of 2" in finding.sentence
    assert finding.task_id == "task-4"


def test_i4_a_task_that_was_tried_again_does_not_count_as_queued() -> None:
    story = Story()
    for number in (3, 4):
        row = replace(story.tasks[0], id=number, task_id=f"task-{number}", created_at=10.0 + number / 10)
        story.tasks.append(replace(row, started_at=None, finished_at=40.0))
        story.events.append(EventRow(90 + number, row.created_at + 0.05, number, None, 1, "S10", "reconciler", {}))
    story.change("tasks", 0, started_at=10.01)
    assert "over-admitted" not in story.found()
