"""Alternatives of a style's steps: what is read, what is refused and in which words; and which errors call for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.engine.ladder import reason_of
from jobs.engine.retries import CLASSES, decide
from jobs.errors import steps
from jobs.errors.steps import StepError
from jobs.styles.ladder import document_of, rungs_of
from jobs.styles.shelf import Style, load_style
from tests.ladders import CLOUD_STEP, FRAME, WORKFLOW, when, write_style


def load(folder: Path, *alternatives: str) -> Style:
    write_style(folder, "laddered", (CLOUD_STEP, *alternatives))
    return load_style(folder / "laddered")


def test_a_ladder_holds_the_step_and_its_alternatives_of_either_resource(tmp_path: Path) -> None:
    style = load(tmp_path, WORKFLOW + when("slow", "refused", after_s=40), FRAME + "timeout_s = 9\n")
    assert style.problem is None and style.recipe is not None
    rungs = rungs_of(style.recipe["steps"][0])
    assert [(rung.number, rung.resource, rung.provider, rung.timeout_s) for rung in rungs] == [
        (0, "api", "openai", 180),
        (1, "comfyui", None, 180),
        (2, "api", "frame", 9),
    ]
    assert rungs[1].is_meant_for("refused", 0) and not rungs[1].is_meant_for("paused", 1000)
    assert rungs[1].is_meant_for("slow", 40) and not rungs[1].is_meant_for("slow", 39.9)
    assert rungs[2].when == {"unavailable", "paused"}, "not what is meant when nothing is said"
    assert document_of(style.recipe, 0, 1)["graph"] and document_of(style.recipe, 0, 2)["parameters"]["width"] == 400


def test_a_recipe_of_before_there_were_alternatives_has_one_rung() -> None:
    assert len(rungs_of({"resource": "comfyui", "timeout_s": 5})) == 1


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ('resource = "api"\nprovider = "ark"\n', "needs a model and a prompt"),
        ('resource = "comfyui"\n', "workflow: Field required"),
        ('resource = "moon"\n', "tag"),
        (FRAME + when("slow"), "after_s"),
        (FRAME + when("refused") + "after_s = 5\n", "after_s"),
        (FRAME + when(), "when"),
        (FRAME + when("bored"), "when"),
        (CLOUD_STEP.replace("a poster", "{motto}"), "the prompt names motto"),
        (WORKFLOW.replace('output = ["', 'output = ["99'), "99"),
    ],
)
def test_a_broken_alternative_breaks_the_style_and_is_named(tmp_path: Path, broken: str, words: str) -> None:
    style = load(tmp_path, FRAME, broken)
    assert style.recipe is None and style.problem is not None
    assert "step 1, alternative 2" in style.problem and words in style.problem, style.problem


def test_a_step_has_four_alternatives_at_the_most(tmp_path: Path) -> None:
    assert load(tmp_path, *[FRAME] * 4).problem is None
    assert "step 1: alternatives" in str(load(tmp_path / "more", *[FRAME] * 5).problem)


FINAL = {
    steps.Transient(): "unavailable",
    steps.ExecutionFailed(): "unavailable",
    steps.BadAnswer(): "unavailable",
    steps.NotConfigured(): "unavailable",
    steps.ContentRefused(): "refused",
    steps.BadInput(): None,
    steps.OutcomeUnknown(): None,
    ValueError(): None,
}
"""Errors that may end a task -> the reason for an alternative."""


@pytest.mark.parametrize("error", FINAL, ids=[type(error).__name__ for error in FINAL])
def test_only_what_an_alternative_can_mend_calls_for_one(error: Exception) -> None:
    row = CLASSES[error.kind if isinstance(error, StepError) else "bug"]
    last = decide(error, (row.limit or 1) - 1)
    assert not last.retry
    assert reason_of(error, last) == FINAL[error]
    if row.limit and row.limit > 1:
        assert reason_of(error, decide(error, 0)) is None, "it changed over instead of trying again"


@pytest.mark.parametrize("error", [steps.Busy(), steps.AccountRefused(), steps.Away(), steps.LocalTrouble()])
def test_what_is_waited_for_calls_for_no_alternative(error: Exception) -> None:
    assert reason_of(error, decide(error, 100)) is None
