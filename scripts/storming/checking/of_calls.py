"""What the owner would hold against the farm: bought twice, bought without a record. Pure.

Submissions at ComfyUI are known by our own id. The cloud stand-in is told none, so there the mark of the photo tells
whose a submission is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from scripts.storming.checking.findings import Finding
from scripts.storming.checking.histories import Histories, Row

MADE_FOR_NOTHING = frozenset({"failed", "rejected", "lost", "unknown", "stopped"})
"""How a call has ended after which its step may be submitted again."""
CLOCK_SECONDS = 0.005
"""Journals and the database read the same clock; floats of both are rounded."""


@dataclass(frozen=True)
class _Extra:
    """A submission too many, and the freeze that explains it, by its number."""

    finding: Finding
    freeze: int | None


def find_duplicated(histories: Histories) -> list[Finding]:
    """Steps that were submitted again although an earlier submission may still give the picture, or has."""
    return [extra.finding for extra in _find_extras(histories) if extra.freeze is None]


def find_extra_after_freeze(histories: Histories) -> list[Finding]:
    """The same, of a process that was frozen between its last check and its POST; at most one for each freeze."""
    return [extra.finding for extra in _find_extras(histories) if extra.freeze is not None]


def find_unrecorded(histories: Histories) -> list[Finding]:
    """Submissions that no call names, or that came before their call said so."""
    calls = {call["external_id"]: call for call in histories.rows("calls")}
    found = []
    for row in _submissions(histories.comfyui):
        call = calls.get(row["prompt_id"])
        if call is None:
            found.append(Finding(f"prompt {row['prompt_id']} is in no call", moment=row["t"]))
        elif call["sent_at"] is None or call["sent_at"] > row["t"] + CLOCK_SECONDS:
            found.append(Finding(f"prompt {row['prompt_id']} came before its call was marked as sent", moment=row["t"]))
    sent = _cloud_calls_by_mark(histories)
    for mark, rows in _cloud_submissions_by_mark(histories).items():
        written = [call for call in sent.get(mark, ()) if call["sent_at"] is not None]
        if len(rows) > len(written):
            found.append(
                Finding(f"{len(rows)} cloud submissions of photo {mark}, {len(written)} calls", moment=rows[-1]["t"])
            )
    return found


def _find_extras(histories: Histories) -> list[_Extra]:
    calls = {call["external_id"]: call for call in histories.rows("calls")}
    by_step: dict[int, list[Row]] = defaultdict(list)
    for row in _submissions(histories.comfyui):
        if row["prompt_id"] in calls:
            by_step[calls[row["prompt_id"]]["step_id"]].append(row)
    freezes = [row for row in histories.nemesis if row["event"] == "begin" and row["fault"].startswith("freeze")]
    ends = {row["number"]: row["t"] for row in histories.nemesis if row["event"] == "end"}
    claim_s = float(histories.settings.get("claim_s", 30.0))
    explained: set[int] = set()
    extras = []
    task_of = {step["id"]: step["task_id"] for step in histories.rows("steps")}
    for step_id, rows in by_step.items():
        for earlier, later in pairwise(rows):
            call = calls[earlier["prompt_id"]]
            again = earlier["prompt_id"] == later["prompt_id"]
            if not again and call["outcome"] in MADE_FOR_NOTHING:
                continue
            freeze = _explain((earlier["t"], later["t"]), freezes, ends, claim_s, explained)
            if freeze is not None:
                explained.add(freeze)
            sentence = (
                f"step {step_id}: prompt {later['prompt_id']} at {later['port']} although {earlier['prompt_id']} "
                f"at {earlier['port']} ended as {call['outcome']}"
            )
            extras.append(_Extra(Finding(sentence, task=task_of.get(step_id), moment=later["t"]), freeze))
    return extras + [_Extra(finding, None) for finding in _find_cloud_duplicates(histories)]


def _find_cloud_duplicates(histories: Histories) -> list[Finding]:
    found = []
    calls = _cloud_calls_by_mark(histories)
    for mark, rows in _cloud_submissions_by_mark(histories).items():
        spent = sum(call["outcome"] in MADE_FOR_NOTHING for call in calls.get(mark, ()))
        steps = len({call["step_id"] for call in calls.get(mark, ())})
        if len(rows) > steps + spent:
            found.append(Finding(f"photo {mark} was bought {len(rows)} times", moment=rows[-1]["t"]))
    return found


def _explain(
    moments: Sequence[float], freezes: Iterable[Row], ends: dict[int, float], claim_s: float, used: set[int]
) -> int | None:
    """The first freeze, not yet used, that ended within a claim before one of these moments or lasted then."""
    for row in freezes:
        end = ends.get(row["number"], row["t"] + 2 * claim_s)
        if row["number"] not in used and any(row["t"] <= moment <= end + claim_s for moment in moments):
            return int(row["number"])
    return None


def _submissions(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row["event"] == "submit"]


def _cloud_submissions_by_mark(histories: Histories) -> dict[str, list[Row]]:
    by_mark: dict[str, list[Row]] = defaultdict(list)
    for row in _submissions(histories.openai):
        mark = next((photo["mark"] for photo in row["inputs"] if "mark" in photo), None)
        if mark is not None:
            by_mark[mark].append(row)
    return by_mark


def _cloud_calls_by_mark(histories: Histories) -> dict[str, list[Row]]:
    mark_of = {row["photo_sha256"]: row["mark"] for row in histories.booths if row["event"] == "post"}
    task_of = {task["id"]: task for task in histories.rows("tasks")}
    step_of = {step["id"]: step for step in histories.rows("steps")}
    by_mark: dict[str, list[Row]] = defaultdict(list)
    for call in histories.rows("calls"):
        step = step_of.get(call["step_id"])
        if step is None or call["resource"] != "api":
            continue
        mark = mark_of.get(task_of[step["task_id"]]["photo_sha256"])
        if mark is not None:
            by_mark[mark].append(call)
    return by_mark
