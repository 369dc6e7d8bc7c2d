"""The judge of every case: what booth, database and stand-in must show afterwards, whatever was done to the farm.

It reads only from outside: the booth API, the rows, the stand-in's journal, RQ's keys.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from scripts.simulators import marks
from tests.faults.farm import WORKERS, FaultFarm, Row, eventually
from tests.faults.points import Scene

EXCUSES = frozenset({"failed", "lost", "unknown"})
"""How a call may have ended whose prompt a server saw, although the step was submitted again (I8)."""


@dataclass(frozen=True)
class Verdict:
    """What was counted: submissions that one freeze between check and POST may cost; the highest load at the server."""

    extra: int
    most_at_once: int


def judge(scene: Scene, *, extra_allowed: int, since: int) -> Verdict:
    """Every order of the case. `since`: how many rows the stand-in's journal had before it."""
    farm = scene.farm
    for order_id, mark in scene.orders.items():
        assert scene.answers[order_id].result(30) in (200, 202)
        judge_guest(farm, order_id, mark)
    eventually(lambda: not farm.open_rows(), f"nothing is open any more: {farm.open_rows()}")
    journal = farm.stand_in.log()[since:]
    judge_unknown(farm, journal)
    extra = sum(judge_calls(farm, step, journal) for order_id in scene.orders for step in farm.steps_of(order_id))
    assert extra <= extra_allowed, f"{extra} submissions more than steps, allowed {extra_allowed}"
    most = most_at_once(journal)
    assert most <= WORKERS + extra, f"{most} prompts at once"
    judge_old_rings(farm, list(scene.orders))
    return Verdict(extra, most)


def judge_guest(farm: FaultFarm, order_id: str, mark: int) -> None:
    """I1, I3, I11: the one task has succeeded, and its one picture shows whose photo it was made from."""
    order = farm.booth.follow(order_id)
    assert order["status"] == "succeeded", order
    (task,) = order["tasks"]
    assert len(task["images"]) == 1
    assert marks.read(Image.open(io.BytesIO(farm.booth.picture(task)))) == mark


def judge_calls(farm: FaultFarm, step: Row, journal: list[Row]) -> int:
    """I7, I8, I9 for one step; how many submissions it had beyond the first."""
    moves = [row["move"] for row in farm.rows("SELECT move FROM events WHERE step_id = :id ORDER BY id", id=step["id"])]
    assert (step["status"], moves.count("S4")) == ("succeeded", 1), moves
    images = farm.rows("SELECT attempt FROM images WHERE step_id = :id", id=step["id"])
    assert [image["attempt"] for image in images] == [step["attempt"]]
    calls = {
        call["external_id"]: call
        for call in farm.rows("SELECT * FROM calls WHERE step_id = :id ORDER BY call_no", id=step["id"])
    }
    outcomes = [call["outcome"] for call in calls.values()]
    assert outcomes.count("succeeded") == 1, outcomes
    seen = [row["prompt_id"] for row in journal if row["event"] == "submit" and row["prompt_id"] in calls]
    assert len(seen) == len(set(seen)), "a prompt was submitted twice under one id"
    assert {calls[prompt_id]["sent_at"] is not None for prompt_id in seen} == {True}
    for prompt_id in seen:
        outcome = calls[prompt_id]["outcome"]
        assert outcome == "succeeded" or outcome in EXCUSES, f"submitted, and its call ended as {outcome}"
    return len(seen) - 1


def judge_unknown(farm: FaultFarm, journal: list[Row]) -> None:
    """I9: every prompt that the server saw has its row."""
    known = {row["external_id"] for row in farm.rows("SELECT external_id FROM calls")}
    assert {row["prompt_id"] for row in journal if row["event"] == "submit"} <= known


def judge_old_rings(farm: FaultFarm, order_ids: list[str]) -> None:
    """I15: more rings for what is over lead to nothing."""
    events = "SELECT count(*) AS n FROM events WHERE step_id IS NOT NULL"
    farm.come_to_rest()
    before = farm.rows(events)
    farm.ring_in_vain(farm.steps_of(order_ids[0])[0])
    assert farm.rows(events) == before


def most_at_once(journal: list[Row]) -> int:
    """The most prompts that were at the server at one moment."""
    level = most = 0
    for row in journal:
        level += {"submit": 1, "end": -1, "delete": -1}.get(row["event"], 0)
        most = max(most, level)
    return most
