"""The retry table: for every class of invariants section 5 what counts, how often, how long it waits, how it ends."""

from __future__ import annotations

import random

import pytest

from jobs import errors
from jobs.engine.retries import CLASSES, REASONS, decide
from jobs.errors import steps

LADDER = (1, 2, 4, 8, 15, 30, 30)
ENDLESS = 1000


def all_step_errors(parent: type[steps.StepError] = steps.StepError) -> list[type[steps.StepError]]:
    return [kind for child in parent.__subclasses__() for kind in (child, *all_step_errors(child))]


@pytest.mark.parametrize(
    ("error", "counts", "attempts", "ends_as"),
    [
        (steps.Away(), False, None, ""),
        (steps.Transient(), True, 8, "unavailable"),
        (steps.Busy(), False, None, ""),
        (steps.OutcomeUnknown(), False, 1, "outcome_unknown"),
        (steps.ExecutionFailed(), True, 3, "execution_failed"),
        (steps.BadAnswer(), True, 3, "bad_answer"),
        (steps.ContentRefused(), True, 1, "content_refused"),
        (steps.BadInput(), True, 1, "bad_input"),
        (steps.WorkflowRejected(), False, None, ""),
        (steps.AccountRefused(), False, None, ""),
        (steps.LocalTrouble(), False, None, ""),
        (RuntimeError("anything"), True, 2, "bug"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_each_class_counts_and_ends_as_the_invariants_say(
    error: Exception, counts: bool, attempts: int | None, ends_as: str
) -> None:
    failures = 0
    for attempt in range(1, (attempts or 30) + 1):
        decision = decide(error, failures)
        assert decision.counts is counts
        assert decision.retry is (attempt != attempts)
        failures += decision.counts
    if attempts is None:
        assert decide(error, ENDLESS).retry
    else:
        assert decision.kind == ends_as


@pytest.mark.parametrize(
    ("error", "failures", "shortest", "longest"),
    [
        (steps.Away(), 0, 0, 0),
        (steps.WorkflowRejected(), 0, 0, 0),
        (steps.Busy(), 0, 10, 12),
        (steps.Busy(retry_after=1), 0, 1, 1.2),
        (steps.Busy(retry_after=120), 0, 120, 144),
        (steps.AccountRefused(), 0, 0, 0),
        (steps.LocalTrouble(), 0, 2, 30),
        (ValueError(), 0, 5, 5),
        *((steps.Transient(), failures, 0, longest) for failures, longest in enumerate(LADDER)),
        *((steps.ExecutionFailed(), failures, 0, longest) for failures, longest in enumerate(LADDER[:2])),
        *((steps.BadAnswer(), failures, 0, longest) for failures, longest in enumerate(LADDER[:2])),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_each_wait_stays_within_its_bounds(error: Exception, failures: int, shortest: float, longest: float) -> None:
    draw = random.Random(7)
    waits = [decide(error, failures, draw=draw).wait_s for _ in range(300)]
    assert min(waits) >= shortest
    assert max(waits) <= longest
    if longest > shortest:
        assert max(waits) - min(waits) > (longest - shortest) * 0.8, "the wait has no jitter"


def test_every_step_error_has_a_row_and_every_end_a_sentence() -> None:
    assert {error.kind for error in all_step_errors()} | {"bug"} == set(CLASSES)
    assert {row.ends_as for row in CLASSES.values() if row.ends_as} <= set(REASONS)
    assert {"poison", "deadline"} <= set(REASONS)


def test_a_retry_keeps_the_class_as_its_kind() -> None:
    assert decide(steps.Transient(), 0).kind == "transient"
    assert decide(KeyError(), 0).kind == "bug"


def test_a_database_that_is_away_is_local_trouble_and_not_a_defect() -> None:
    decision = decide(errors.DatabaseAway(), 1)
    assert decision.retry
    assert not decision.counts
