"""What the rows of a rush mean: who was lost, done twice, got a wrong picture, was overtaken. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scripts.rushing.rows import ACCEPTED, DUPLICATE, REFUSALS, Row
from scripts.rushing.timing import count_most_at_once, find_makespan, find_overtaken, percentile

ENDED = frozenset({"succeeded", "failed", "canceled"})


@dataclass(frozen=True)
class Promises:
    """Pictures that came within the range shown when they were submitted, before and after it; how wide it was."""

    kept: int
    early: int
    late: int
    width_p50: float | None

    @property
    def judged(self) -> int:
        return self.kept + self.early + self.late


@dataclass(frozen=True)
class Verdict:
    """The numbers of a whole rush; the lists hold order ids."""

    orders: int
    accepted: int
    succeeded: int
    refused_answers: dict[str, int]
    left_refused: list[str]
    duplicate_answers: int
    connection_errors: int
    lost: list[str]
    failed: list[str]
    done_twice: list[str]
    wrong_pictures: list[str]
    unmarked_pictures: int
    overtaken: list[str]
    faults: list[str]
    retried: int
    wait_p50: float | None
    wait_p95: float | None
    makespan: float | None
    most_at_once: int
    promises: Promises

    def passes(self, *, failures_allowed: bool = False) -> bool:
        """Whether every accepted order got its own picture, once and in turn, and no answer broke the contract."""
        bad = bool(self.lost or self.done_twice or self.wrong_pictures or self.overtaken or self.faults)
        return not bad and (failures_allowed or not self.failed)

    def described(self) -> dict[str, Any]:
        return asdict(self)


def is_lost(row: Row) -> bool:
    """Accepted, and then neither an end that the farm owns up to nor, where it says succeeded, the picture."""
    if not row.is_accepted:
        return False
    return row.task_status not in ENDED or (row.is_succeeded and row.t_picture is None)


def is_done_twice(row: Row) -> bool:
    """One photo in one style, and yet two tasks, two acceptances, a repeat that began anew, or too many pictures."""
    acceptances = sum(answer.status == ACCEPTED for answer in row.answers)
    named = {task_id for answer in row.answers for task_id in answer.task_ids} | set(row.task_ids)
    repeated = row.repeat is not None and (
        row.repeat.status == ACCEPTED or not set(row.repeat.task_ids) <= set(row.task_ids)
    )
    made = (("comfyui", row.made), ("api", row.bought))
    too_many = any((count or 0) > max(row.resources.count(resource), 1) for resource, count in made)
    return acceptances > 1 or len(named) > 1 or repeated or too_many


def is_wrong(row: Row) -> bool:
    """The picture is not what was announced, or it is another guest's."""
    return bool(row.picture_problems) or (row.picture_mark is not None and row.picture_mark != row.mark)


def is_left_refused(row: Row) -> bool:
    """Never accepted, and told so politely each time."""
    return not row.is_accepted and bool(row.answers) and all(answer.status in REFUSALS for answer in row.answers)


def find_faults(row: Row) -> list[str]:
    """What broke the contract without losing or doubling anything."""
    faults = list(row.faults)
    for answer in row.answers:
        if answer.status in REFUSALS and not answer.retry_after_ok:
            faults.append(f"{answer.status} with Retry-After {answer.retry_after!r}")
        if answer.status not in (ACCEPTED, DUPLICATE, *REFUSALS):
            faults.append(f"answered {answer.status} {answer.code or ''}".strip())
        if answer.status == DUPLICATE and not answer.duplicate:
            faults.append('200 without "duplicate": true')
        if answer.status in (ACCEPTED, DUPLICATE) and len(answer.task_ids) != 1:
            faults.append(f"an answer of {answer.status} with {len(answer.task_ids)} tasks")
    welcomed = any(answer.status == ACCEPTED for answer in row.answers)
    if row.is_accepted and not welcomed and not row.connection_errors:
        faults.append("called a duplicate, though it was new")
    if not row.is_accepted and not is_left_refused(row):
        faults.append("never accepted")
    if row.is_succeeded and row.t_picture is not None:
        faults += _find_faults_of_repeat(row)
    return [f"{row.order_id}: {fault}" for fault in dict.fromkeys(faults)]


def _find_faults_of_repeat(row: Row) -> list[str]:
    if row.repeat is None:
        return ["the repeated order got no answer"]
    if row.repeat.status == DUPLICATE and row.repeat.duplicate:
        return []
    return [f"the repeated order was answered {row.repeat.status}, duplicate: {row.repeat.duplicate}"]


def compare_promises(rows: Sequence[Row]) -> Promises:
    """What the booths were told at their 202, beside when they saw the end."""
    outcomes: Counter[str] = Counter()
    widths = []
    for row in rows:
        if row.promised is None or row.t_ended is None or not row.is_succeeded:
            continue
        low, high = row.promised
        outcomes["early" if row.t_ended < low else "late" if row.t_ended > high else "kept"] += 1
        widths.append(high - low)
    return Promises(outcomes["kept"], outcomes["early"], outcomes["late"], percentile(widths, 0.5))


def judge(rows: Sequence[Row], *, faults: Sequence[str] = ()) -> Verdict:
    """The verdict on all rows; `faults` are those that belong to no order."""
    answers = [answer for row in rows for answer in row.answers]
    repeats = [row.repeat for row in rows if row.repeat is not None]
    refusals = Counter(
        f"{answer.status} {answer.code or ''}".strip() for answer in answers if answer.status in REFUSALS
    )
    waits = [row.wait for row in rows if row.wait is not None]
    all_faults = [*faults, *(fault for row in rows for fault in find_faults(row))]
    if rows and not any(row.is_accepted for row in rows):
        all_faults.append("no order was accepted at all")
    return Verdict(
        orders=len(rows),
        accepted=sum(row.is_accepted for row in rows),
        succeeded=sum(row.is_succeeded for row in rows),
        refused_answers=dict(refusals),
        left_refused=_ids(rows, is_left_refused),
        duplicate_answers=sum(answer.status == DUPLICATE for answer in [*answers, *repeats]),
        connection_errors=sum(row.connection_errors for row in rows),
        lost=_ids(rows, is_lost),
        failed=[row.order_id for row in rows if row.is_accepted and row.task_status in ("failed", "canceled")],
        done_twice=_ids(rows, is_done_twice),
        wrong_pictures=_ids(rows, is_wrong),
        unmarked_pictures=sum(row.t_picture is not None and row.picture_mark is None for row in rows),
        overtaken=find_overtaken(rows),
        faults=all_faults,
        retried=sum(row.attempts > len(row.resources) > 0 for row in rows),
        wait_p50=percentile(waits, 0.5),
        wait_p95=percentile(waits, 0.95),
        makespan=find_makespan(rows),
        most_at_once=count_most_at_once(rows),
        promises=compare_promises(rows),
    )


def _ids(rows: Sequence[Row], question: Any) -> list[str]:
    return [row.order_id for row in rows if question(row)]
