"""The history of the moves: illegal ones, legal ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from scripts.storming.checking.rows import EventRow
from tests.unit.storm_checking.story import Story


def two_successes(story: Story) -> None:
    story.happens(1, 17, "S4", 1)


def claimed_twice(story: Story) -> None:
    story.events.insert(1, EventRow(99, 12.5, 1, 1, 1, "S2", "another worker", {}))


def stale_attempt(story: Story) -> None:
    story.send_again(outcome="failed")
    story.events[-1] = replace(story.events[-1], attempt=1)


def untold_move(story: Story) -> None:
    story.change("steps", 0, attempt=3)


def picture_of_another_attempt(story: Story) -> None:
    story.change("images", 0, attempt=2)


def status_of_its_own(story: Story) -> None:
    story.change("tasks", 0, status="failed", kind="bug")


def change_over(story: Story, *changes: tuple[str, int, int]) -> None:
    """Step 1 changes over by these moves (move, attempt, rung) before its picture is made by the attempt after them."""
    story.events = [event for event in story.events if event.step != 1]
    last = 1
    for number, (move, attempt, rung) in enumerate(changes):
        t, last = 12 + number, attempt + 1
        if move == "S5":
            story.happens(1, t, "S2", attempt)
        story.happens(1, t + 0.1, move, attempt, rung=rung, why="refused")
        if move == "S5":
            story.happens(1, t + 0.2, "S8", attempt + 1)
    story.happens(1, 15, "S2", last)
    story.happens(1, 16, "S4", last)
    story.change("steps", 0, attempt=last, rung=changes[-1][2])
    story.change("images", 0, attempt=last)


def climbed_back(story: Story) -> None:
    change_over(story, ("S5", 1, 2), ("S12", 2, 1))


def changed_over_by_a_stale_attempt(story: Story) -> None:
    change_over(story, ("S12", 1, 1))
    story.events = [replace(event, attempt=2) if event.move == "S12" else event for event in story.events]


def changed_over_while_claimed(story: Story) -> None:
    story.events.insert(1, EventRow(99, 12.5, 1, 1, 1, "S12", "reconciler", {"rung": 1, "why": "slow"}))


def rung_of_its_own(story: Story) -> None:
    change_over(story, ("S12", 1, 1))
    story.change("steps", 0, rung=2)


def change_that_names_no_rung(story: Story) -> None:
    change_over(story, ("S12", 1, 1))
    story.events = [replace(event, detail={}) if event.move == "S12" else event for event in story.events]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (two_successes, "S4 of attempt 1 found it succeeded"),
        (claimed_twice, "attempt 1 was claimed twice"),
        (stale_attempt, "made by attempt 1, and attempt 2 was its own"),
        (untold_move, "its row says succeeded, attempt 3"),
        (picture_of_another_attempt, "a picture of attempt 2 shows"),
        (climbed_back, "led from rung 2 to rung 1"),
        (changed_over_by_a_stale_attempt, "S12 was made by attempt 2, and attempt 1 was its own"),
        (changed_over_while_claimed, "S12 of attempt 1 found it running"),
        (rung_of_its_own, "leads to rung 1, and its row says rung 2"),
        (change_that_names_no_rung, "S12 of attempt 1 names no rung"),
        (status_of_its_own, "failed, and its steps are ['succeeded']"),
    ],
)
def test_i7_a_history_that_the_moves_do_not_allow_is_illegal(spoil: Callable[[Story], None], words: str) -> None:
    story = Story()
    spoil(story)
    assert any(words in finding.sentence for finding in story.found()["illegal move"])


def test_i7_changing_over_while_it_waits_and_after_a_refusal_is_legal() -> None:
    story = Story()
    change_over(story, ("S12", 1, 1), ("S5", 2, 2), ("S12", 3, 4))
    assert story.found() == {}


def test_i7_a_task_may_begin_on_any_rung() -> None:
    story = Story()
    story.change("steps", 0, rung=2)
    assert story.found() == {}


def test_i7_deaths_retries_and_a_revival_are_legal() -> None:
    story = Story()
    story.events = [event for event in story.events if event.step != 1]
    moves: list[tuple[str, int, dict[str, Any]]] = [
        ("S2", 1, {}),
        ("S7", 1, {"crashed": True, "crashes": 1}),
        ("S2", 2, {}),
        ("S7", 2, {"crashed": True, "crashes": 2}),
        ("S8", 3, {}),
        ("S2", 3, {}),
        ("S7", 3, {"crashed": True, "crashes": 3, "kind": "poison"}),
        ("S9", 4, {}),
        ("S2", 4, {}),
        ("S7", 4, {"crashed": False, "crashes": 0}),
        ("S2", 5, {}),
        ("S4", 5, {}),
    ]
    for number, (move, attempt, detail) in enumerate(moves):
        story.happens(1, 12 + number / 10, move, attempt, **detail)
    story.change("steps", 0, attempt=5)
    story.change("images", 0, attempt=5)
    assert story.found() == {}
