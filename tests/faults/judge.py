"""The judge of every case: what booth, database and stand-in must show afterwards, whatever was done to the farm.

It reads only from outside: the booth API, the rows, the stand-in's journal, RQ's keys.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from scripts.simulators import marks
from tests.faults.farm import WORKERS, FaultFarm
from tests.faults.places import Row
from tests.faults.points import Scene


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
    farm.come_to_rest()  # one who was frozen may still be sending
    journal = farm.stand_in.log()[since:]
    submissions = [row for row in journal if row["event"] == "submit"]
    extra = 0
    for order_id, mark in scene.orders.items():
        for step in farm.steps_of(order_id):
            judged = judge_calls(farm, step, mark, submissions)
            extra += len(judged) - 1
            submissions = [row for row in submissions if row not in judged]
    judge_others(farm, submissions)
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


def judge_calls(farm: FaultFarm, step: Row, mark: int, submissions: list[Row]) -> list[Row]:
    """I7, I8, I9 for one step, made from the photo with this mark; which of the submissions were its own."""
    moves = [row["move"] for row in farm.rows("SELECT move FROM events WHERE step_id = :id ORDER BY id", id=step["id"])]
    assert (step["status"], moves.count("S4")) == ("succeeded", 1), moves
    images = farm.rows("SELECT attempt FROM images WHERE step_id = :id", id=step["id"])
    assert [image["attempt"] for image in images] == [step["attempt"]]
    calls = farm.rows("SELECT * FROM calls WHERE step_id = :id ORDER BY call_no", id=step["id"])
    outcomes = [call["outcome"] for call in calls]
    assert outcomes.count("succeeded") == 1, outcomes
    pairs = farm.place.match(submissions, calls, mark)
    used = [call["id"] for _, call in pairs]
    assert len(used) == len(set(used)), "submitted twice by one call"
    for _, call in pairs:
        assert call["sent_at"] is not None
        outcome = call["outcome"]
        assert outcome == "succeeded" or outcome in farm.place.excuses, f"submitted, and its call ended as {outcome}"
    assert "succeeded" in [call["outcome"] for _, call in pairs], "a picture that nobody was asked for"
    return [row for row, _ in pairs]


def judge_others(farm: FaultFarm, submissions: list[Row]) -> None:
    """I9: whatever else the stand-in saw has its row as well."""
    column = farm.place.named_by
    known = {row[column] for row in farm.rows(f"SELECT {column} FROM calls")}  # noqa: S608  a column
    assert {row["prompt_id"] for row in submissions} <= known


def judge_old_rings(farm: FaultFarm, order_ids: list[str]) -> None:
    """I15: more rings for what is over lead to nothing."""
    events = "SELECT count(*) AS n FROM events WHERE step_id IS NOT NULL"
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
