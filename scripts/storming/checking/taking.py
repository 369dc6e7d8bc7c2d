"""Verdicts on what booths were answered: lost, ghost, over-admitted. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from scripts.simulators.journal import Row
from scripts.storming.checking.evidence import Evidence, Finding
from scripts.storming.checking.rows import TaskRow

ACCEPTED = (200, 202)
ENDED = ("succeeded", "failed", "canceled")
LEAVES_QUEUE = ("S2", "S10", "S11")


class Identity(NamedTuple):
    """What makes a submission the same one."""

    order_id: str
    photo_sha256: str
    style: str


def group_answers(evidence: Evidence) -> dict[Identity, list[Row]]:
    """What each submission led to: its rows `answer` and `no_answer`; a post without either gives a `no_answer`."""
    ends = {(row["order_id"], row["send"]): row for row in evidence.booths if row["event"] in ("answer", "no_answer")}
    answers: dict[Identity, list[Row]] = defaultdict(list)
    for post in evidence.booths:
        if post["event"] == "post":
            identity = Identity(post["order_id"], post["photo_sha256"], post["style"])
            answers[identity].append(ends.get((post["order_id"], post["send"]), {**post, "event": "no_answer"}))
    return answers


def is_accepted(answer: Row) -> bool:
    return answer["event"] == "answer" and answer["status"] in ACCEPTED


def find_lost(evidence: Evidence) -> list[Finding]:
    """I1, I2: acknowledged, and yet no row, no end, an end that nobody asked for, another photo, or a torn file."""
    there = {Identity(task.order_id, task.photo_sha256, task.style): task for task in evidence.snapshot.tasks}
    task_ids = {task.task_id for task in evidence.snapshot.tasks}
    canceled = {row["order_id"] for row in evidence.booths if row["event"] == "cancel"}
    findings = []
    for identity, answers in group_answers(evidence).items():
        accepted = [answer for answer in answers if is_accepted(answer)]
        if not accepted:
            continue
        task = there.get(identity)
        gone = {task_id for answer in accepted for task_id in answer["task_ids"]} - task_ids
        findings += [Finding("its 2xx named this task, and it has no row", one, identity.order_id) for one in gone]
        if task is None:
            sentence = f"its photo {identity.photo_sha256[:12]} in {identity.style} was accepted and has no row"
            findings.append(Finding(sentence, next(iter(gone), None), identity.order_id))
            continue
        if why := _why_lost(evidence, task, canceled):
            findings.append(Finding(why, task.task_id, task.order_id))
    return [*findings, *_find_other_photos(evidence)]


def _why_lost(evidence: Evidence, task: TaskRow, canceled: set[str]) -> str | None:
    if task.status not in ENDED:
        return f"accepted, and at the end of all still {task.status}"
    if task.status == "failed" and not task.kind:
        return "failed without a kind"
    if task.status == "canceled" and task.order_id not in canceled:
        return "canceled, though no booth asked for it"
    finals = [image.path for image in evidence.snapshot.images if image.task == task.id and image.final]
    if task.status == "succeeded" and not finals:
        return "succeeded without a picture"
    for path in (task.photo_path, *finals):
        file = evidence.files.get(path or "")
        if file is None:
            return f"its file {path} is gone"
        if file.bytes != evidence.snapshot.named.get(path or "", file.bytes):
            return f"its file {path} is torn: {file.bytes} of {evidence.snapshot.named[path or '']} bytes"
    return None


def _find_other_photos(evidence: Evidence) -> Iterator[Finding]:
    """Tasks that were shown with a photo that nobody sent in this order, or other than their row has it."""
    stored = {task.task_id: task.photo_sha256 for task in evidence.snapshot.tasks}
    told = set()
    for row in evidence.booths:
        for shown in row["tasks"] if row["event"] == "order" else ():
            sha256 = shown["photo_sha256"]
            sent = (row["order_id"], sha256) in evidence.marks
            if (not sent or stored.get(shown["task_id"], sha256) != sha256) and shown["task_id"] not in told:
                told.add(shown["task_id"])
                yield Finding(f"its photo has another hash, {sha256[:12]}", shown["task_id"], row["order_id"])


def find_ghosts(evidence: Evidence) -> list[Finding]:
    """Only ever refused, or never sent, and yet there. What got no answer may be either."""
    answers = group_answers(evidence)
    findings = []
    for task in evidence.snapshot.tasks:
        heard = answers.get(Identity(task.order_id, task.photo_sha256, task.style), [])
        if not heard:
            findings.append(Finding("a task that no booth has sent", task.task_id, task.order_id))
        elif all(answer["event"] == "answer" and answer["status"] not in ACCEPTED for answer in heard):
            statuses = sorted({answer["status"] for answer in heard})
            findings.append(Finding(f"only ever answered {statuses}, and yet there", task.task_id, task.order_id))
    return findings


def find_over_admitted(evidence: Evidence) -> list[Finding]:
    """I4: more tasks queued than the limit, in any look of a booth or by the moments that the database kept."""
    limit = evidence.settings["queue_limit"]
    looks = [row["queued"] for row in evidence.booths if row["event"] == "queue" and row["queued"] > limit]
    findings = [Finding(f"{looked} queued in a booth's look, {limit} allowed") for looked in looks[:1]]
    left: dict[int | None, float] = {}
    for event in evidence.snapshot.events:
        if event.move in LEAVES_QUEUE:
            left.setdefault(event.task, event.at)
    changes = []
    for task in evidence.snapshot.tasks:
        changes.append((task.created_at, 1, task))
        # The history first: a task that failed in the queue and was tried again has lost its moments.
        ends = [end for end in (left.get(task.id), task.started_at, task.finished_at) if end is not None]
        if ends:
            changes.append((min(ends), -1, task))
    queued = 0
    # A moment was taken within its transaction: of two at the same one, who left had left.
    for moment, change, task in sorted(changes, key=lambda one: one[:2]):
        queued += change
        if change > 0 and queued > limit:
            sentence = f"accepted as number {queued} of {limit} at {moment:.3f}, by the rows"
            findings.append(Finding(sentence, task.task_id, task.order_id))
    return findings
