"""Troubles of pictures: those that failed lately and were not tried again, by their cause."""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import gettext as _

from jobs.figures.board import FAILED_SECONDS, Board
from jobs.orders.watch import FailedTask
from web.troubles.trouble import Link, Trouble, count_pictures, tell_failed
from web.wording import N_

MANY = 3
"""Failures of one cause from which it is no single bad luck any more."""
MINUTES = round(FAILED_SECONDS / 60)


@dataclass(frozen=True)
class Cause:
    """A kind of failure in words. `alarms`: from how many on it is red; None where guests were told what to do."""

    told: str
    advice: str
    alarms: int | None = MANY


AGAIN = N_("Once that is well, try all of them again on the page Failures: one press.")
TOLD = N_("Nothing needs doing: the guest was told to choose another style or to take a new photo.")
CAUSES = {
    "unavailable": Cause(N_("the service that makes them was not available"), AGAIN),
    "deadline": Cause(N_("they were not ready in time"), AGAIN),
    "execution_failed": Cause(
        N_("they could not be made"), N_("Try one of them again. If it fails again, switch that style off.")
    ),
    "bad_answer": Cause(
        N_("the service sent no usable picture"), N_("Try one of them again. If it fails again, switch that style off.")
    ),
    "outcome_unknown": Cause(
        N_("nobody can tell whether the paid service made them"),
        N_("Look at the provider's bill first: trying again may pay a second time."),
    ),
    "bug": Cause(
        N_("something went wrong in the farm"),
        N_("Tell the technician, who finds the reason on each one's page; then try again."),
        alarms=1,
    ),
    "content_refused": Cause(N_("the style is not possible with these photos"), TOLD, alarms=None),
    "bad_input": Cause(N_("the photo or style was not accepted"), TOLD, alarms=None),
    "poison": Cause(N_("the photo could not be processed"), TOLD, alarms=None),
}
"""By the kind of a failure, the worst first."""
OTHER = Cause(N_("something went wrong in the farm"), AGAIN)


def list_failed(board: Board) -> list[Trouble]:
    """One for each cause."""
    by_kind: dict[str, list[FailedTask]] = {kind: [] for kind in CAUSES}
    for task in board.failed:
        by_kind.setdefault(task.kind, []).append(task)
    return [_tell(kind, tasks) for kind, tasks in by_kind.items() if tasks]


def _tell(kind: str, tasks: list[FailedTask]) -> Trouble:
    cause = CAUSES.get(kind, OTHER)
    return Trouble(
        _(
            "%(pictures)s failed in the last %(minutes)s minutes: %(cause)s.",
            pictures=count_pictures(len(tasks)),
            minutes=MINUTES,
            cause=_(cause.told),
        ),
        _(cause.advice),
        "bad" if cause.alarms is not None and len(tasks) >= cause.alarms else "eye",
        tell_failed(tasks),
        Link("ops.show_failures", _("Failures")),
    )
