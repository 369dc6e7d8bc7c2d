"""The end of a storm: stuck, leak."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.storming.checking.rows import StoredFile
from tests.unit.storm_checking.story import Story, at, drop


@pytest.mark.parametrize("said", [[], [at(60, "not_drained", left=["1 open tasks"])]])
def test_i5_a_farm_that_was_not_drained_is_stuck(said: list[dict[str, Any]]) -> None:
    story = Story()
    drop(story.nemesis, "drained")
    story.nemesis += said
    assert "drain" in story.found()["stuck"][0].sentence


def test_i5_a_step_or_a_call_that_is_still_open_is_stuck() -> None:
    story = Story()
    story.change("steps", 0, status="retrying")
    story.change("calls", 0, state="open", outcome=None, closed_at=None)
    sentences = [finding.sentence for finding in story.found()["stuck"]]
    assert sentences == ["step 1: still retrying after the drain", "step 1: its call 1 is still open after the drain"]


def test_a_slot_or_a_place_in_the_queue_that_is_not_given_back_is_a_leak() -> None:
    story = Story()
    story.change("calls", 0, state="closing", outcome=None, closed_at=None)
    story.booths.append(at(61, "queue", booth="booth-1", queued=1))
    sentences = [finding.sentence for finding in story.found()["leak"]]
    assert sentences == [
        "step 1: its call 1 still holds a slot: closing",
        "the admission count is 1 after the drain, not 0",
    ]


def test_a_file_without_a_row_is_a_leak_once_the_sweep_has_passed_it_by() -> None:
    story = Story()
    story.files["photos/00/half.jpg.part"] = StoredFile(10, 60)
    assert story.found() == {}
    assert story.judged().counts["partial_files"] == 1
    story.files["photos/00/half.jpg.part"] = StoredFile(10, 3 * 3600)
    assert "was not swept" in story.found()["leak"][0].sentence
