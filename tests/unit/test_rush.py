"""How a rush judges what it saw: rows made up here, no farm and no HTTP."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from scripts.rushing import timing
from scripts.rushing.booths import read_promise, read_retry_after
from scripts.rushing.judging import Verdict, judge
from scripts.rushing.main import parse
from scripts.rushing.menu import mix
from scripts.rushing.playing import Plan
from scripts.rushing.report import show
from scripts.rushing.rows import Answer, Row
from scripts.rushing.standins import Crowds, count_at_once, note_logs, read_logs
from scripts.rushing.watching import Sights, count_made, find_faults, note_made

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOON_SECONDS = NOON.timestamp()


def clock(seconds: float) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat()


def answer(status: int = 202, *, at: float = 0.1, task: str | None = None, **fields: Any) -> Answer:
    return Answer(status=status, at=NOON_SECONDS + at, task_ids=(task,) if task else (), **fields)


def row(number: int = 1, *, created: float = 0, started: float = 1, finished: float = 3, **fields: Any) -> Row:
    """An order that went well, unless the fields say otherwise."""
    task = f"task-{number}"
    well: dict[str, Any] = {
        "t_submit": NOON_SECONDS + created,
        "t_accepted": NOON_SECONDS + created,
        "answers": [answer(task=task)],
        "order_status": "succeeded",
        "task_ids": (task,),
        "task_status": "succeeded",
        "resources": ("comfyui",),
        "attempts": 1,
        "created_at": clock(created),
        "started_at": clock(started),
        "finished_at": clock(finished),
        "t_picture": NOON_SECONDS + finished,
        "picture_mark": number,
        "repeat": answer(200, task=task, duplicate=True),
    }
    return Row(number=number, order_id=f"rush-x-{number}", booth="booth 1", mark=number, **(well | fields))


def refusal(status: int = 503, code: str = "queue_full", **fields: Any) -> Answer:
    return answer(status, code=code, **({"retry_after": "1"} | fields))


def judged(*rows: Row) -> Verdict:
    return judge(rows)


def test_rush_in_which_all_went_well_passes() -> None:
    verdict = judged(row(1), row(2))
    assert verdict.passes()
    assert (verdict.accepted, verdict.succeeded, verdict.duplicate_answers) == (2, 2, 2)
    assert (verdict.wait_p50, verdict.makespan, verdict.most_at_once) == (3, 3, 2)


@pytest.mark.parametrize(
    "fields",
    [
        {"task_status": "running", "t_picture": None, "repeat": None},
        {"task_status": None, "task_ids": (), "t_picture": None, "repeat": None},
        {"t_picture": None, "repeat": None},
    ],
    ids=["never ended", "never seen again", "no picture to be had"],
)
def test_accepted_order_without_end_or_picture_is_lost(fields: dict[str, Any]) -> None:
    verdict = judged(row(1, **fields), row(2))
    assert verdict.lost == ["rush-x-1"]
    assert not verdict.passes()


def test_failed_task_is_not_lost_but_passes_only_when_allowed() -> None:
    verdict = judged(row(1, task_status="failed", t_picture=None, picture_mark=None, repeat=None))
    assert (verdict.lost, verdict.failed) == ([], ["rush-x-1"])
    assert not verdict.passes()
    assert verdict.passes(failures_allowed=True)


@pytest.mark.parametrize(
    "fields",
    [
        {"answers": [answer(task="task-1"), answer(task="task-1")]},
        {"answers": [answer(task="task-1"), answer(200, task="task-9", duplicate=True)]},
        {"task_ids": ("task-1", "task-9")},
        {"repeat": answer(202, task="task-1")},
        {"repeat": answer(200, task="task-9", duplicate=True)},
        {"made": 2},
        {"resources": ("api",), "bought": 2},
        {"resources": ("api", "comfyui"), "made": 1, "bought": 2},
    ],
    ids=[
        *("accepted twice", "two task ids", "two tasks", "repeat accepted", "repeat is another task", "made twice"),
        *("bought twice", "bought twice in a chain"),
    ],
)
def test_second_task_or_picture_of_one_photo_is_done_twice(fields: dict[str, Any]) -> None:
    verdict = judged(row(1, **fields))
    assert verdict.done_twice == ["rush-x-1"]
    assert not verdict.passes()


def promised(number: int, low: float, high: float, *, ended: float = 3, **fields: Any) -> Row:
    """An order that was told so many seconds in its 202, at 0.1 s, and whose booth saw the end then."""
    told = [answer(task=f"task-{number}", promised=(low, high))]
    return row(number, answers=told, t_ended=NOON_SECONDS + ended, **fields)


def test_what_was_shown_at_the_submission_is_held_against_what_the_booth_saw() -> None:
    rows = [
        promised(1, 2, 4),
        promised(2, 1, 2),
        promised(3, 3.5, 9),
        promised(4, 2.5, 3.5, task_status="failed"),
        row(5),
    ]
    found = judged(*rows).promises
    assert (found.kept, found.early, found.late, found.judged, found.width_p50) == (1, 1, 1, 3, 2)
    printed = io.StringIO()
    show(Console(width=200, file=printed), judged(*rows), Sights(), Crowds(), None, failures_allowed=True)
    told = "1 of 3 (33 %); 1 early, 1 late; the median range is 2.00 s wide"
    assert printed.getvalue().splitlines()[-1] == f"Finished within the range shown when submitted: {told}"


def test_the_promise_is_that_of_the_first_task_where_one_was_made() -> None:
    assert read_promise({"tasks": [{"eta_range_s": {"low": 1.5, "high": 2}}]}) == (1.5, 2.0)
    assert [read_promise(body) for body in ({}, {"tasks": []}, {"tasks": [{"eta_range_s": None}]})] == [None] * 3


def test_chain_of_two_comfyui_steps_may_make_two_pictures() -> None:
    assert judged(row(1, resources=("comfyui", "comfyui"), attempts=2, made=2)).passes()


def test_copies_answered_as_duplicates_are_counted_and_pass() -> None:
    copies = [answer(task="task-1"), *(answer(200, task="task-1", duplicate=True, copy=copy) for copy in (1, 2))]
    verdict = judged(row(1, answers=copies))
    assert verdict.duplicate_answers == 3
    assert verdict.passes()


def test_duplicate_is_welcome_after_a_lost_answer_and_a_fault_without_one() -> None:
    only_duplicate = row(1, answers=[answer(200, task="task-1", duplicate=True)])
    assert judged(replace(only_duplicate, connection_errors=1)).passes()
    assert judged(only_duplicate).faults == ["rush-x-1: called a duplicate, though it was new"]


@pytest.mark.parametrize("fields", [{"picture_mark": 7}, {"picture_problems": ["another hash than announced"]}])
def test_picture_of_somebody_else_or_of_other_bytes_is_wrong(fields: dict[str, Any]) -> None:
    verdict = judged(row(1, **fields))
    assert verdict.wrong_pictures == ["rush-x-1"]
    assert not verdict.passes()


def test_picture_without_readable_mark_is_counted_not_wrong() -> None:
    verdict = judged(row(1, picture_mark=None))
    assert (verdict.unmarked_pictures, verdict.passes()) == (1, True)


def test_later_order_that_starts_first_overtakes() -> None:
    verdict = judged(row(1, created=0, started=5), row(2, created=0.2, started=4), row(3, created=0.3, started=6))
    assert verdict.overtaken == ["rush-x-1"]
    assert not verdict.passes()


def test_orders_within_a_tenth_of_a_second_arrived_together() -> None:
    assert judged(row(1, created=0, started=5), row(2, created=0.1, started=4)).overtaken == []


def test_cloud_order_waits_for_its_own_slots_and_overtakes_only_within_its_style() -> None:
    early = row(1, created=0, started=5, resources=("api",), style="comic-cloud")
    other = row(2, created=1, started=2, resources=("api",), style="clay-cloud")
    assert judged(early, other, row(3, created=1, started=2)).overtaken == []
    assert judged(early, replace(other, style="comic-cloud")).overtaken == ["rush-x-1"]


def test_order_far_behind_in_the_list_is_seen_to_overtake() -> None:
    rows = [row(number, created=number, started=10 + number) for number in range(1, 6)]
    assert timing.find_overtaken([*rows, row(6, created=6, started=12.5)]) == ["rush-x-3", "rush-x-4", "rush-x-5"]


def test_refusal_that_is_resent_passes_and_is_counted_by_code() -> None:
    verdict = judged(row(1, answers=[refusal(), refusal(429, "booth_rate"), answer(task="task-1")]))
    assert verdict.refused_answers == {"503 queue_full": 1, "429 booth_rate": 1}
    assert verdict.passes()


def test_refusal_without_retry_after_is_a_fault() -> None:
    silent = refusal(retry_after=None, retry_after_ok=False)
    assert judged(row(1, answers=[silent, answer(task="task-1")])).faults == ["rush-x-1: 503 with Retry-After None"]


def test_order_left_refused_passes_beside_an_accepted_one() -> None:
    left = Row(2, "rush-x-2", "booth 2", 2, answers=[refusal()])
    verdict = judged(row(1), left)
    assert (verdict.accepted, verdict.left_refused, verdict.lost) == (1, ["rush-x-2"], [])
    assert verdict.passes()
    assert not judged(left).passes()


@pytest.mark.parametrize("answers", [[], [answer(422, code="photo_rejected")]])
def test_order_that_was_never_accepted_is_a_fault(answers: list[Answer]) -> None:
    verdict = judged(row(1), Row(2, "rush-x-2", "booth 2", 2, answers=answers))
    assert "rush-x-2: never accepted" in verdict.faults


def test_repeat_without_the_word_duplicate_is_a_fault() -> None:
    assert judged(row(1, repeat=answer(200, task="task-1"))).faults
    assert judged(row(1, repeat=None)).faults


def test_what_the_farm_says_of_an_order_is_taken_over() -> None:
    taken = Row(1, "rush-x-1", "booth 1", 1, photo_sha256="ab")
    step = {"index": 0, "resource": "comfyui", "status": "succeeded", "attempt": 2, "failures": 1}
    task = {"task_id": "t", "status": "succeeded", "photo": {"sha256": "cd"}, "reason": None, "steps": [step]}
    taken.note_order({"status": "succeeded", "tasks": [task]})
    assert (taken.task_ids, taken.resources, taken.attempts) == (("t",), ("comfyui",), 2)
    assert taken.faults == ["the task's photo has the hash cd"]


def test_ideal_makespan_waits_for_slots_and_for_arrivals() -> None:
    assert timing.find_ideal([0] * 10, slots=5, seconds=2) == 4
    assert timing.find_ideal([0, 0, 9], slots=1, seconds=2) == 11


def test_percentiles_are_values_that_were_seen() -> None:
    assert (timing.percentile(range(1, 101), 0.95), timing.percentile([4], 0.5)) == (95, 4)
    assert timing.percentile([], 0.5) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3", 3), ("0", 0.05), ("9999", 120), (None, None), ("soon", None), ("-5", None), ("nan", None)],
)
def test_retry_after_is_read_or_found_missing(text: str | None, seconds: float | None) -> None:
    assert read_retry_after(text) == seconds


def test_prompts_that_ended_well_are_counted_by_mark() -> None:
    log = [
        {"event": "boot"},
        {"event": "submit", "prompt_id": "a", "inputs": [{"name": "1.jpg", "mark": "01"}]},
        {"event": "end", "prompt_id": "a", "outcome": "error"},
        {"event": "submit", "prompt_id": "b", "inputs": [{"name": "1.jpg", "mark": "01"}]},
        {"event": "end", "prompt_id": "b", "outcome": "success"},
    ]
    assert count_made(log) == {"01": 1}


def test_without_standins_nothing_is_said_about_what_was_made() -> None:
    rows = [row(1)]
    assert (note_made(rows, []), rows[0].made) == ([], None)


@pytest.mark.parametrize(("after", "faults"), [(11, 1), (12, 0), (40, 0)])
def test_stats_must_count_every_accepted_task(after: int, faults: int) -> None:
    sights = Sights(submitted_before=10, submitted_after=after)
    assert len(find_faults(sights, [row(1), row(2)])) == faults


def submitted(prompt_id: str, t: float, *, port: int = 1, mark: int = 1) -> dict[str, Any]:
    inputs = [{"name": "photo", "mark": f"{mark:016x}"}]
    return {"t": t, "event": "submit", "port": port, "prompt_id": prompt_id, "inputs": inputs}


def ended(prompt_id: str, t: float, *, port: int = 1) -> dict[str, Any]:
    return {"t": t, "event": "end", "port": port, "prompt_id": prompt_id, "outcome": "success"}


def test_calls_are_at_a_stand_in_from_their_submission_to_their_end() -> None:
    log = [submitted("a", 1), submitted("b", 2, port=2), ended("a", 3), submitted("c", 3), ended("b", 4, port=2)]
    assert count_at_once(log) == 2
    assert count_at_once([*log, submitted("d", 5), submitted("e", 5)]) == 3  # c has not ended
    boot = {"t": 4.5, "event": "boot", "port": 1}
    assert count_at_once([*log, boot, submitted("d", 5), submitted("e", 5)]) == 2  # and went down with its server


def test_logs_of_all_clouds_are_one_resource_and_older_rows_are_left_out(tmp_path: Path) -> None:
    logs = {
        "comfyui": [submitted("old", 1), submitted("a", 11), ended("a", 12)],
        "openai": [submitted("b", 11), ended("b", 14)],
        "fal": [submitted("c", 12, port=2, mark=2), ended("c", 15, port=2)],
    }
    for name, log in logs.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    rows = [row(1, resources=("comfyui", "api")), row(2, resources=("api",)), row(3)]
    crowds = note_logs(rows, read_logs(tmp_path, since=10))
    assert crowds.most == {"comfyui": 1, "api": 2}
    assert [(one.made, one.bought) for one in rows] == [(1, 1), (0, 1), (0, 0)]
    assert judged(*rows).done_twice == []


def test_logs_without_any_photo_of_this_rush_tell_nothing() -> None:
    rows = [row(7)]
    crowds = note_logs(rows, {"comfyui": [submitted("a", 1), ended("a", 2)], "api": []})
    assert (crowds.most, crowds.over({"comfyui": 0}), rows[0].made) == ({}, [], None)


@pytest.mark.parametrize(("most", "passes"), [(5, True), (6, False)])
def test_more_calls_than_the_limit_is_a_fault(most: int, passes: bool) -> None:
    faults = Crowds({"comfyui": 10, "api": most}).over({"comfyui": 10, "api": 5})
    assert judge([row(1)], faults=faults).passes() is passes
    assert faults == ([] if passes else ["6 calls at once at api, 5 allowed"])


def test_styles_are_named_once_or_often_or_with_commas_and_taken_in_turn() -> None:
    styles = tuple(parse(["--style", "a,b", "--style", "c"]).style)
    plan = Plan("x", styles, 5, 0.1)
    assert [plan.style_of(number) for number in range(1, 6)] == ["a", "b", "c", "a", "b"]


def test_mix_puts_every_style_with_a_cloud_step_between_framed_prints() -> None:
    offered: dict[str, dict[str, Any]] = {
        "comic-cloud": {"available": True, "resources": ["api"]},
        "clay-cloud": {"available": False, "resources": ["api"]},
        "framed-print": {"available": True, "resources": ["comfyui"]},
        "poster-linocut": {"available": True, "resources": ["comfyui", "api"]},
    }
    assert mix(offered) == ("framed-print", "comic-cloud", "framed-print", "poster-linocut")
    assert mix({}) == ("framed-print",)
