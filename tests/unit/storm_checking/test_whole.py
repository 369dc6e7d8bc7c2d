"""The verdict as a whole, its time line, what is shown, how journals are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from scripts.storming.checking import show
from scripts.storming.checking.evidence import Finding
from scripts.storming.checking.reading import read_rows
from scripts.storming.checking.timeline import tell
from scripts.storming.checking.verdict import VERDICTS
from tests.unit.storm_checking.story import PORT, Story, at, freeze


def test_a_farm_that_did_everything_right_passes_with_all_verdicts_clean() -> None:
    verdict = Story().judged()
    assert [name for name in VERDICTS if verdict.findings[name]] == []
    assert verdict.passes
    assert verdict.counts | {"accepted": 2, "succeeded": 2, "submissions": 2, "pictures": 2} == verdict.counts


def test_a_storm_that_nobody_ordered_in_proves_nothing() -> None:
    story = Story(booths=[])
    for rows in (story.booths, story.tasks, story.steps, story.calls, story.images, story.events):
        rows.clear()
    story.comfyui, story.clouds = story.comfyui[:1], story.clouds[:2]
    assert story.found() == {}
    assert not story.judged().passes


def test_the_time_line_of_a_task_merges_everybodys_words_in_order() -> None:
    story = Story()
    story.nemesis += freeze(1)
    lines = tell(story.evidence(), Finding("what is wrong", "task-1", "order-1"))
    assert [line.t for line in lines] == sorted(line.t for line in lines)
    assert {line.who for line in lines} == {"booth-1", "database", f"comfyui :{PORT}", "nemesis"}
    assert not any("task-2" in line.what or "order-2" in line.what for line in lines)


def test_the_time_line_of_a_bought_picture_names_the_provider() -> None:
    story = Story()
    story.move_to("replicate")
    lines = tell(story.evidence(), Finding("what is wrong", "task-2", "order-2"))
    assert {line.who for line in lines} == {"booth-1", "database", "replicate"}


def test_what_is_shown_names_the_verdict_and_tells_the_time_line() -> None:
    story = Story()
    story.happens(1, 17, "S4", 1)
    console = Console(record=True, width=140, file=open("/dev/null", "w"))
    with console.file:
        show(console, story.judged())
    text = console.export_text()
    assert "illegal move" in text
    assert "S4 of step 1, attempt 1" in text
    assert "submit" in text


def test_a_journal_of_several_writers_is_read_in_the_order_of_moments(tmp_path: Path) -> None:
    journal = tmp_path / "comfyui.jsonl"
    journal.write_text("".join(json.dumps(at(t, "boot")) + "\n" for t in (3.0, 1.0, 2.0)))
    assert [row["t"] for row in read_rows(journal)] == [1.0, 2.0, 3.0]
    journal.write_text('{"t": 1')
    with pytest.raises(ValueError):
        read_rows(journal)
