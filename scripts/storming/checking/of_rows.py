"""What the database itself must show after a storm: nothing stuck, only legal moves, nothing left over. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from jobs.orders.states import OPEN_STEP, OPEN_TASK, STEP_MOVES
from scripts.storming.checking.findings import Finding
from scripts.storming.checking.histories import Histories, Row

CLAIMED = frozenset({"S4", "S5", "S6", "S7"})
"""Moves that end an attempt which somebody had claimed."""


def find_stuck(histories: Histories) -> list[Finding]:
    """Work that had not ended when the storm was over and healed."""
    found = [
        Finding(f"task {task['task_id']} is {task['status']}", task=task["id"])
        for task in histories.rows("tasks")
        if task["status"] in OPEN_TASK
    ]
    ended = {task["id"] for task in histories.rows("tasks") if task["status"] not in OPEN_TASK}
    found += [
        Finding(f"step {step['id']} is {step['status']} although its task has ended", task=step["task_id"])
        for step in histories.rows("steps")
        if step["task_id"] in ended and step["status"] in OPEN_STEP - {"pending"}
    ]
    if any(row["event"] == "not_drained" for row in histories.nemesis):
        found.append(Finding("the farm did not drain"))
    return found


def find_failed(histories: Histories) -> list[Finding]:
    """Tasks that ended as failed: the farm owns up to them."""
    return [
        Finding(f"task {task['task_id']}: {task['kind']}", task=task["id"])
        for task in histories.rows("tasks")
        if task["status"] == "failed"
    ]


def find_illegal_moves(histories: Histories) -> list[Finding]:
    """A step's history that the state machine does not allow, and pictures of another attempt than succeeded."""
    by_step: dict[int, list[Row]] = defaultdict(list)
    for event in histories.rows("events"):
        if event["step_id"] is not None and event["move"] in STEP_MOVES:
            by_step[event["step_id"]].append(event)
    found = [
        Finding(f"step {step['id']}: {sentence}", task=step["task_id"])
        for step in histories.rows("steps")
        for sentence in _read_history(by_step[step["id"]], step["status"])
    ]
    succeeded = {(event["step_id"], event["attempt"]) for event in histories.rows("events") if event["move"] == "S4"}
    found += [
        Finding(f"a picture of step {image['step_id']} is of attempt {image['attempt']}", task=image["task_id"])
        for image in histories.rows("images")
        if (image["step_id"], image["attempt"]) not in succeeded
    ]
    return found


def _read_history(events: list[Row], status: str) -> Iterator[str]:
    """What is wrong with one step's moves, the last of which has led to `status`."""
    states = {"pending", "queued"}
    claimed: set[int] = set()
    successes = 0
    for event in events:
        move, attempt = event["move"], event["attempt"]
        sources, targets = STEP_MOVES[move]
        if not states & sources:
            yield f"{move} of attempt {attempt} after {sorted(states)}"
        if move == "S2" and attempt in claimed:
            yield f"attempt {attempt} was claimed twice"
        if move in CLAIMED and attempt not in claimed:
            yield f"{move} of attempt {attempt}, which nobody had claimed"
        if move == "S2":
            claimed.add(attempt)
        successes += move == "S4"
        states = set(targets)
    if successes > 1:
        yield f"it succeeded {successes} times"
    if events and status not in states:
        yield f"it is {status}, its history ends in {sorted(states)}"


def find_leaks(histories: Histories) -> list[Finding]:
    """Slots that nobody gives back, and rows whose files are not there, or not whole. (Files that no row names are
    swept after an hour.)
    """
    task_of = {step["id"]: step["task_id"] for step in histories.rows("steps")}
    found = [
        Finding(f"call {call['id']} is still {call['state']}", task=task_of.get(call["step_id"]))
        for call in histories.rows("calls")
        if call["state"] != "closed"
    ]
    for image in histories.rows("images"):
        size = histories.files.get(image["path"])
        if size != image["bytes"]:
            found.append(Finding(f"the file of picture {image['uid']} has {size} bytes", task=image["task_id"]))
    found += [
        Finding(f"the file of photo {photo['sha256'][:12]} has {histories.files.get(photo['path'])} bytes")
        for photo in histories.rows("photos")
        if photo["path"] is not None and histories.files.get(photo["path"]) != photo["bytes"]
    ]
    return found
