"""All retry policy: an error and the step's counters in, a decision out. Pure; the table of invariants section 5."""

from __future__ import annotations

import random
from dataclasses import dataclass

from jobs.errors import DatabaseAway, FarmError
from jobs.errors.steps import StepError

LADDER_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
BUSY_SECONDS = 10.0
BUG_SECONDS = 5.0
LOCAL_SECONDS = (2.0, 30.0)


@dataclass(frozen=True)
class Class:
    """One row of the table. `limit` None: as often as the task's deadline allows."""

    counts: bool
    limit: int | None
    ends_as: str


CLASSES: dict[str, Class] = {
    "away": Class(counts=False, limit=None, ends_as=""),
    "transient": Class(counts=True, limit=8, ends_as="unavailable"),
    "busy": Class(counts=False, limit=None, ends_as=""),
    "unknown": Class(counts=False, limit=0, ends_as="outcome_unknown"),
    "execution": Class(counts=True, limit=3, ends_as="execution_failed"),
    "bad_answer": Class(counts=True, limit=3, ends_as="bad_answer"),
    "refused": Class(counts=True, limit=0, ends_as="content_refused"),
    "bad_input": Class(counts=True, limit=0, ends_as="bad_input"),
    "rejected": Class(counts=False, limit=None, ends_as="bad_input"),
    "account": Class(counts=False, limit=None, ends_as=""),
    "braked": Class(counts=False, limit=None, ends_as=""),
    "local": Class(counts=False, limit=None, ends_as=""),
    "bug": Class(counts=True, limit=2, ends_as="bug"),
}

REASONS: dict[str, str] = {
    "unavailable": "The service that makes this picture was not available. Try again.",
    "outcome_unknown": "Nobody can tell whether the paid service made this picture. Retrying may pay a second time.",
    "execution_failed": "The picture could not be made. Another style may work.",
    "bad_answer": "The service sent no usable picture. Try again or choose another style.",
    "content_refused": "This style is not possible with this photo. Please choose another style or take a new photo.",
    "bad_input": "The photo or style was not accepted. Take a new photo or choose another style.",
    "poison": "This photo could not be processed. Take a new photo.",
    "deadline": "The picture was not ready in time. Try again.",
    "bug": "Something went wrong in the farm. The technician finds the reason on the task's page.",
}
"""What an attendant reads for each kind of failure."""


@dataclass(frozen=True)
class Decision:
    """What becomes of a step after an error: another attempt after `wait_s`, or failed as `kind`."""

    retry: bool
    kind: str
    counts: bool
    wait_s: float


def decide(error: BaseException, failures: int, *, draw: random.Random | None = None) -> Decision:
    """`failures`: those counted before this one. `draw`: where the jitter comes from."""
    draw = draw or random.Random()  # noqa: S311  jitter, not a secret
    name = error.kind if isinstance(error, StepError) else "local" if isinstance(error, DatabaseAway) else "bug"
    row = CLASSES[name]
    count = failures + (1 if row.counts else 0)
    if row.limit is not None and count >= row.limit:
        return Decision(retry=False, kind=row.ends_as, counts=row.counts, wait_s=0.0)
    return Decision(retry=True, kind=name, counts=row.counts, wait_s=_wait(name, error, count, draw))


def _wait(name: str, error: BaseException, count: int, draw: random.Random) -> float:
    if name in ("away", "rejected", "account", "braked"):
        return 0.0  # a server set aside or a provider's pause keeps it back
    if name == "busy":
        asked = getattr(error, "retry_after", None) or BUSY_SECONDS
        return float(asked) * draw.uniform(1.0, 1.2)
    if name == "local":
        return draw.uniform(*LOCAL_SECONDS)
    if name == "bug":
        return BUG_SECONDS
    return draw.uniform(0.0, LADDER_SECONDS[min(count, len(LADDER_SECONDS)) - 1])


def is_expected(error: BaseException) -> bool:
    """Is this an error that the farm knows, as opposed to a defect that wants a traceback?"""
    return isinstance(error, FarmError)
