"""A task's story: everything that happened to it, on one time line, as sentences in both languages."""

from __future__ import annotations

from flask import Flask
from flask_babel import force_locale

from jobs.farm import Farm
from jobs.orders import repairs
from jobs.orders.rungs import change_over
from jobs.orders.states import STEP_MOVES
from jobs.orders.telling import Happening, Story, tell_story
from jobs.styles.ladder import Rung
from tests import builders
from tests.builders import TWO_STEPS, accept, change, fail, finish, get_task, must_claim, seconds_ago, send
from web import languages
from web.context import WebContext
from web.ops.story import tell


def story_of(farm: Farm, task_id: int) -> Story:
    return farm.database.read(tell_story, get_task(farm, task_id).task_id)


def say(farm: Farm, story: Story, language: str = "en") -> list[str]:
    """The time line as the page has it."""
    app = Flask("web")
    app.extensions["farm"] = WebContext(farm, None)  # type: ignore[arg-type]  # nobody follows here
    languages.register(app)
    with app.test_request_context(), force_locale(language):
        return [tell(moment, story.task) for moment in story.moments]


def test_a_story_has_tries_calls_waits_and_presses_in_their_order(farm: Farm) -> None:
    (task_id,) = accept(farm)
    public_id = get_task(farm, task_id).task_id
    first = must_claim(farm)
    send(farm, first)
    builders.retry(farm, first, wait_s=8.0)
    change(farm, builders.Step, first.held.step_id, not_before=seconds_ago(1))
    farm.database.write(repairs.requeue_step, first.held.step_id, actor="reconciler")
    second = must_claim(farm)
    send(farm, second)
    fail(farm, second, kind="execution_failed")
    farm.interventions.retry(public_id, actor="ann")
    send(farm, third := must_claim(farm))
    finish(farm, third)
    farm.interventions.redo(public_id, actor="ann")
    story = story_of(farm, task_id)
    assert say(farm, story) == [
        "Accepted from booth booth-of-order-1: Framed print.",
        "A worker took it (try 1).",
        "Sent to comfy-1:8188 (try 1).",
        "Try 1 ended: it had a passing trouble. The next try comes in 8 s.",
        "The wait is over: back in the queue.",
        "A worker took it (try 2).",
        "Sent to comfy-1:8188 (try 2).",
        "Failed for good: it could not make the picture.",
        "ann had it tried again.",
        "A worker took it (try 3).",
        "Sent to comfy-1:8188 (try 3).",
        "The picture is ready.",
        "ann asked for another take.",
    ]
    in_chinese = say(farm, story, "zh")
    assert in_chinese[2] == "已发送到 comfy-1:8188（第 1 次）。"
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in sentence) for sentence in in_chinese)
    assert [moment.at for moment in story.moments] == sorted(moment.at for moment in story.moments)


def test_repairs_changes_and_ends_are_told_too(farm: Farm) -> None:
    (task_id,) = accept(farm, style=TWO_STEPS)
    claimed = must_claim(farm, worker="w")
    farm.database.write(repairs.release_step, claimed.held.step_id, actor="pool:comfyui", worker="w", crashed=True)
    change(farm, builders.Call, claimed.call.id, state="closed", outcome="unsent")
    other_way = Rung(1, "api", "frame", 60.0, frozenset({"slow"}), 0.0)
    farm.database.write(change_over, claimed.held.step_id, attempt=2, rung=other_way, why="slow", actor="reconciler")
    farm.interventions.cancel_task(get_task(farm, task_id).task_id, actor="operator:ann")
    assert say(farm, story_of(farm, task_id))[2:] == [
        "Step 1: The worker ended in the middle of it; another takes over.",
        "Step 1: From now on made another way: api/frame instead of comfyui (slow).",
        "Step 1: ann canceled it.",
        "Step 2: ann canceled it.",
    ]


def test_every_move_has_its_sentence(farm: Farm) -> None:
    """A move that a later change adds must not stand on the page as a bare code."""
    accept(farm)
    story = story_of(farm, 1)
    silent = {"S1", "S3"}  # a later step's queueing and the beats leave no event
    moments = [Happening(seconds_ago(0), move, "ann", 0, 1) for move in STEP_MOVES if move not in silent]
    story.moments[:] = moments
    assert not [sentence for sentence in say(farm, story) if sentence.startswith("S")]
