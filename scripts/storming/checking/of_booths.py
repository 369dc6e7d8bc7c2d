"""What booths and guests would hold against the farm: lost, ghost, wrong picture. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from scripts.storming.checking.findings import Finding
from scripts.storming.checking.histories import Histories, Row

TAKEN = (200, 202)
ENDED = ("succeeded", "failed", "canceled")


def find_lost(histories: Histories) -> list[Finding]:
    """Answered 2xx, and yet: no such task, another photo than was sent, or no end."""
    tasks = _tasks_by_order(histories)
    by_public_id = {task["task_id"]: task for task in histories.rows("tasks")}
    found: dict[tuple[str, str], Finding] = {}
    for post, answer in _answered(histories):
        if answer["status"] not in TAKEN:
            continue
        order_id = post["order_id"]
        for task_id in answer["task_ids"]:
            if task_id not in by_public_id:
                found[order_id, task_id] = Finding(f"task {task_id} was promised and is not there", order_id)
        task = tasks[order_id].get((post["photo_sha256"], post["style"]))
        if task is None:
            found[order_id, post["photo_sha256"]] = Finding(
                f"photo {post['photo_sha256'][:12]} in {post['style']} was accepted and no task has it", order_id
            )
        elif task["status"] not in ENDED or (task["status"] == "failed" and not task["kind"]):
            found[order_id, task["task_id"]] = Finding(
                f"task {task['task_id']} has no end: {task['status']}, kind {task['kind']}", order_id, task["id"]
            )
    return list(found.values())


def find_ghosts(histories: Histories) -> list[Finding]:
    """Refused whenever there was an answer, and an answer to every sending; yet there is a task."""
    answers: dict[tuple[str, str, str], list[int | None]] = defaultdict(list)
    replies = _replies(histories)
    for post in histories.booths:
        if post["event"] == "post":
            reply = replies.get((post["order_id"], post["send"]))
            status = reply["status"] if reply is not None and reply["event"] == "answer" else None
            answers[post["order_id"], post["photo_sha256"], post["style"]].append(status)
    tasks = _tasks_by_order(histories)
    return [
        Finding(
            f"every sending was refused ({', '.join(sorted({str(status) for status in statuses}))})",
            order_id,
            task["id"],
        )
        for (order_id, sha256, style), statuses in answers.items()
        if all(status is not None and status >= 400 for status in statuses)
        and (task := tasks[order_id].get((sha256, style))) is not None
    ]


def find_wrong_pictures(histories: Histories) -> list[Finding]:
    """Another picture than announced, or than the task's photo asks for."""
    mark_of = {row["photo_sha256"]: row["mark"] for row in histories.booths if row["event"] == "post"}
    photo_of = {task["task_id"]: task["photo_sha256"] for task in histories.rows("tasks")}
    found = []
    for row in _pictures(histories):
        wanted = mark_of.get(photo_of.get(row["task_id"], ""))
        if not row["sha256_ok"]:
            found.append(Finding(f"the picture of {row['task_id']} is not the one announced", row["order_id"]))
        elif row["mark"] is not None and row["mark"] != wanted:
            found.append(
                Finding(f"the picture of {row['task_id']} carries {row['mark']}, its photo {wanted}", row["order_id"])
            )
    return found


def find_unmarked(histories: Histories) -> list[Finding]:
    """Pictures of which nobody can tell whose they are."""
    return [Finding(f"task {row['task_id']}", row["order_id"]) for row in _pictures(histories) if row["mark"] is None]


def _pictures(histories: Histories) -> Iterator[Row]:
    return (row for row in histories.booths if row["event"] == "picture")


def _replies(histories: Histories) -> dict[tuple[str, int], Row]:
    return {(row["order_id"], row["send"]): row for row in histories.booths if row["event"] in ("answer", "no_answer")}


def _answered(histories: Histories) -> Iterator[tuple[Row, Row]]:
    """Each sending that was answered, with its answer."""
    replies = _replies(histories)
    for row in histories.booths:
        if row["event"] == "post":
            reply = replies.get((row["order_id"], row["send"]))
            if reply is not None and reply["event"] == "answer":
                yield row, reply


def _tasks_by_order(histories: Histories) -> dict[str, dict[tuple[str, str], Row]]:
    names = {order["id"]: order["order_id"] for order in histories.rows("orders")}
    tasks: dict[str, dict[tuple[str, str], Row]] = defaultdict(dict)
    for task in histories.rows("tasks"):
        tasks[names[task["order_id"]]][task["photo_sha256"], task["style"]] = task
    return tasks
