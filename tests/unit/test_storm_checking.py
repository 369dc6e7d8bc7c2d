"""The checker of storms: each verdict once clean and once red, over a small history written by hand.

`Story` is a farm that did everything right for two orders; each test changes one thing in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from scripts.storming.checking import show
from scripts.storming.checking.evidence import Evidence, Finding
from scripts.storming.checking.reading import read_rows
from scripts.storming.checking.rows import CallRow, EventRow, ImageRow, Snapshot, StepRow, StoredFile, TaskRow
from scripts.storming.checking.timeline import tell
from scripts.storming.checking.verdict import VERDICTS, Verdict, judge

PORT = 8188
SERVER = f"http://127.0.0.1:{PORT}"
WORKER = "comfyui-here-1-aaaaaa"
LIMITS = {"claim_s": 3, "comfyui_limit": 2, "api_limit": 1, "comfyui_depth": 2, "queue_limit": 2}


def at(t: float, event: str, **fields: Any) -> dict[str, Any]:
    return {"t": t, "event": event, **fields}


def comfyui(t: float, event: str, prompt_id: str = "", **fields: Any) -> dict[str, Any]:
    return at(t, event, port=PORT, boot="b1", prompt_id=prompt_id, **fields)


@dataclass
class Story:
    """Order 1 in one step at ComfyUI (moments 10 to 16), order 2 in one step at the cloud (20 to 26)."""

    booths: list[dict[str, Any]] = field(default_factory=list)
    comfyui: list[dict[str, Any]] = field(default_factory=list)
    openai: list[dict[str, Any]] = field(default_factory=list)
    nemesis: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[TaskRow] = field(default_factory=list)
    steps: list[StepRow] = field(default_factory=list)
    calls: list[CallRow] = field(default_factory=list)
    images: list[ImageRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    named: dict[str, int | None] = field(default_factory=dict)
    files: dict[str, StoredFile] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nemesis += [at(1, "settings", **LIMITS), at(50, "healed"), at(60, "drained", seconds=10)]
        self.comfyui.append(comfyui(2, "boot", lost=[]))
        self.openai.append(at(2, "boot", port=8300, boot="c1", lost=[]))
        for number, resource in ((1, "comfyui"), (2, "api")):
            self._add(number, resource)

    def _add(self, number: int, resource: str) -> None:
        t, name, sha256, mark = number * 10.0, f"order-{number}", f"sha{number}", f"{number:016x}"
        worker, prompt = (WORKER, "p1") if number == 1 else ("api-here-2-bbbbbb", "req_2")
        who = {"booth": "booth-1", "order_id": name}
        shown = {"task_id": f"task-{number}", "status": "succeeded", "reason": None, "photo_sha256": sha256}
        self.booths += [
            at(t - 0.2, "post", **who, mark=mark, photo_sha256=sha256, style="style", send=1),
            self.answer(number, t + 0.1, 202, [f"task-{number}"]),
            at(t + 1, "queue", booth="booth-1", queued=1),
            at(t + 6.1, "order", **who, status="succeeded", tasks=[{**shown, "images": 1}]),
            at(t + 6.2, "picture", **who, task_id=f"task-{number}", sha256_ok=True, mark=mark),
        ]
        told = {"prompt_id": prompt, "inputs": [{"name": "photo.jpg", "mark": mark}]}
        rows, port = (self.comfyui, PORT) if number == 1 else (self.openai, 8300)
        rows.append(at(t + 3, "submit", port=port, boot="b1", **told))
        rows.append(at(t + 5, "end", port=port, boot="b1", prompt_id=prompt, outcome="success"))
        paths = f"photos/{number}.jpg", f"images/{number}.jpg"
        self.tasks.append(
            TaskRow(number, f"task-{number}", name, sha256, "style", "succeeded", t, t + 2, t + 6, photo_path=paths[0])
        )
        self.steps.append(StepRow(number, number, 0, resource, "succeeded", 1))
        server, remote = (SERVER, None) if number == 1 else (None, "req_2")
        external = "p1" if number == 1 else "uuid-2"
        self.calls.append(
            CallRow(
                number, number, 1, 1, resource, server, external, remote, "closed", "succeeded", t + 2, t + 2.9, t + 6
            )
        )
        self.images.append(ImageRow(number, number, 1, True, paths[1], 100))
        self.happens(number, t + 2, "S2", 1, worker)
        self.happens(number, t + 6, "S4", 1, worker)
        for path in paths:
            self.named[path] = 100
            self.files[path] = StoredFile(100, 30)

    def answer(self, number: int, t: float, status: int, task_ids: list[str], send: int = 1) -> dict[str, Any]:
        told = {"code": None, "retry_after": None, "duplicate": False, "task_ids": task_ids}
        return at(t, "answer", booth="booth-1", order_id=f"order-{number}", send=send, status=status, **told)

    def happens(self, step: int, t: float, move: str, attempt: int, actor: str = WORKER, **detail: Any) -> None:
        self.events.append(EventRow(len(self.events) + 1, t, step, step, attempt, move, actor, detail))

    def change(self, rows: str, row: int, **values: Any) -> None:
        """Change the row at this place of `tasks`, `steps`, `calls` or `images`."""
        table = getattr(self, rows)
        table[row] = replace(table[row], **values)

    def send_again(self, *, outcome: str, t: float = 14.0) -> None:
        """Step 1 is retried: its first call ended with `outcome` at 13.5, a second one makes the picture."""
        self.change("calls", 0, outcome=outcome, closed_at=13.5)
        self.calls.append(CallRow(9, 1, 2, 2, "comfyui", SERVER, "p9", None, "closed", "succeeded", 13.6, 13.7, 16.0))
        self.comfyui.append(comfyui(t, "submit", "p9", inputs=[]))
        self.comfyui.append(comfyui(15.5, "end", "p9"))
        self.steps[0] = replace(self.steps[0], attempt=2)
        self.images[0] = replace(self.images[0], attempt=2)
        self.events = [event for event in self.events if event.step != 1]
        for moment, move, attempt in ((12, "S2", 1), (13.5, "S5", 1), (13.55, "S8", 2), (13.6, "S2", 2), (16, "S4", 2)):
            self.happens(1, moment, move, attempt)

    def evidence(self) -> Evidence:
        journals = [tuple(sorted(rows, key=lambda row: row["t"])) for rows in self._journals()]
        rows = (self.tasks, self.steps, self.calls, self.images, self.events)
        return Evidence(*journals, snapshot=Snapshot(*map(tuple, rows), self.named), files=self.files)  # type: ignore[arg-type]

    def _journals(self) -> tuple[list[dict[str, Any]], ...]:
        return self.booths, self.comfyui, self.openai, self.nemesis

    def judged(self) -> Verdict:
        return judge(self.evidence())

    def found(self) -> dict[str, list[Finding]]:
        """What is not empty."""
        return {name: found for name, found in self.judged().findings.items() if found}


def drop(rows: list[dict[str, Any]], event: str, **fields: Any) -> None:
    """Take the rows of an event out."""
    rows[:] = [row for row in rows if row["event"] != event or any(row[name] != fields[name] for name in fields)]


def test_a_farm_that_did_everything_right_passes_with_all_verdicts_clean() -> None:
    verdict = Story().judged()
    assert [name for name in VERDICTS if verdict.findings[name]] == []
    assert verdict.passes
    assert verdict.counts | {"accepted": 2, "succeeded": 2, "submissions": 2, "pictures": 2} == verdict.counts


def test_a_storm_that_nobody_ordered_in_proves_nothing() -> None:
    story = Story(booths=[])
    for rows in (story.booths, story.tasks, story.steps, story.calls, story.images, story.events):
        rows.clear()
    story.comfyui, story.openai = story.comfyui[:1], story.openai[:1]
    assert story.found() == {}
    assert not story.judged().passes


def no_row(story: Story) -> None:
    story.booths.append(at(30, "post", booth="b", order_id="order-1", mark="f", photo_sha256="x", style="s", send=2))
    story.booths.append(story.answer(1, 31, 202, ["task-9"], send=2))


def other_photo(story: Story) -> None:
    [row] = [row for row in story.booths if row["event"] == "order" and row["order_id"] == "order-1"]
    row["tasks"][0]["photo_sha256"] = "another"


def canceled_by_nobody(story: Story) -> None:
    story.change("tasks", 0, status="canceled")


def torn_photo(story: Story) -> None:
    story.files["photos/1.jpg"] = StoredFile(40, 30)


def missing_picture(story: Story) -> None:
    del story.files["images/1.jpg"]


def failed_without_kind(story: Story) -> None:
    story.change("tasks", 0, status="failed")


def no_end(story: Story) -> None:
    story.change("tasks", 0, status="running")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (no_row, "has no row"),
        (other_photo, "another hash"),
        (canceled_by_nobody, "no booth asked"),
        (torn_photo, "torn: 40 of 100"),
        (missing_picture, "images/1.jpg is gone"),
        (failed_without_kind, "without a kind"),
        (no_end, "still running"),
    ],
)
def test_i1_what_was_acknowledged_and_is_not_there_whole_is_lost(spoil: Callable[[Story], None], words: str) -> None:
    story = Story()
    spoil(story)
    assert any(words in finding.sentence for finding in story.found()["lost"])


def test_i1_a_task_that_was_canceled_by_its_booth_is_not_lost() -> None:
    story = Story()
    story.change("tasks", 0, status="canceled")
    story.booths.append(at(12, "cancel", booth="booth-1", order_id="order-1", status=0))
    assert "lost" not in story.found()


def test_what_was_only_ever_refused_and_is_there_is_a_ghost() -> None:
    story = Story()
    drop(story.booths, "answer", order_id="order-2")
    story.booths.append(story.answer(2, 20.1, 503, []))
    [ghost] = story.found()["ghost"]
    assert (ghost.order_id, ghost.sentence) == ("order-2", "only ever answered [503], and yet there")


def test_what_nobody_sent_is_a_ghost() -> None:
    story = Story()
    drop(story.booths, "post", order_id="order-2")
    assert "no booth has sent" in story.found()["ghost"][0].sentence


@pytest.mark.parametrize("written", [True, False], ids=["no_answer", "nothing at all"])
def test_what_got_no_answer_may_be_there_or_not(written: bool) -> None:
    story = Story()
    drop(story.booths, "answer", order_id="order-2")
    if written:
        story.booths.append(at(25, "no_answer", booth="booth-1", order_id="order-2", send=1, error="reset"))
    assert story.found() == {}


def test_i8_a_step_that_is_sent_again_after_its_call_was_closed_is_no_duplicate() -> None:
    for outcome in ("failed", "unknown", "rejected", "stopped"):
        story = Story()
        story.send_again(outcome=outcome)
        assert story.found() == {}, outcome


def test_i8_a_second_call_beside_one_that_may_still_run_is_a_duplicate() -> None:
    story = Story()
    story.send_again(outcome="failed")
    story.change("calls", 0, closed_at=15.0)
    assert "call 2 was sent though call 1 had been" in story.found()["duplicated"][0].sentence


def test_i8_the_same_call_sent_twice_is_a_duplicate() -> None:
    story = Story()
    story.comfyui.append(comfyui(13.2, "submit", "p1", inputs=[]))
    assert "twice under the same id" in story.found()["duplicated"][0].sentence


def test_i8_a_call_that_was_seen_and_closed_as_unsent_is_a_duplicate() -> None:
    story = Story()
    story.send_again(outcome="unsent")
    assert any("closed as unsent" in finding.sentence for finding in story.found()["duplicated"])


def test_i8_a_prompt_is_lost_only_if_its_server_forgot_it() -> None:
    story = Story()
    story.send_again(outcome="lost")
    assert "had it all the time" in story.found()["duplicated"][0].sentence
    story.comfyui.append(comfyui(13.3, "boot", lost=["p1"]))
    assert story.found() == {}


def freeze(number: int, target: str = WORKER) -> list[dict[str, Any]]:
    who = {"fault": "freeze worker", "target": target, "pid": 7, "number": number}
    return [at(12.95, "begin", **who), at(18, "end", **who)]


def late_submission(story: Story) -> None:
    """The first call was given up as lost before its POST came."""
    story.send_again(outcome="lost")
    drop(story.comfyui, "submit", prompt_id="p1")
    drop(story.comfyui, "end", prompt_id="p1")
    story.comfyui.append(comfyui(18.01, "submit", "p1", inputs=[]))
    story.comfyui.append(comfyui(18.02, "delete", "p1"))


def test_i8_one_extra_submission_of_a_frozen_worker_is_counted_apart() -> None:
    story = Story()
    late_submission(story)
    assert "nobody froze" in story.found()["duplicated"][0].sentence
    story.nemesis += freeze(1, target="comfyui-here-1-cccccc")
    assert "duplicated" in story.found(), "another worker's freeze explains nothing"
    story.nemesis += freeze(2)
    assert story.found() == {}
    assert story.judged().counts["extra_after_freeze"] == 1
    story.nemesis[-2:] = freeze(2, target="worker 4711")
    assert story.found() == {}, "whom this one froze, nobody could ask"


def test_i8_a_second_extra_submission_of_the_same_freeze_is_a_duplicate() -> None:
    story = Story()
    late_submission(story)
    story.nemesis += freeze(1)
    story.comfyui.append(comfyui(18.05, "submit", "p1", inputs=[]))
    assert "duplicated" in story.found()
    assert story.judged().counts["extra_after_freeze"] == 1


def test_i9_a_submission_without_a_call_is_unrecorded() -> None:
    story = Story()
    story.comfyui.append(comfyui(30, "submit", "nobody's", inputs=[]))
    assert "no call says so" in story.found()["unrecorded"][0].sentence


@pytest.mark.parametrize("sent_at", [None, 13.5])
def test_i9_a_call_that_was_not_marked_as_sent_before_it_was_is_unrecorded(sent_at: float | None) -> None:
    story = Story()
    story.change("calls", 0, sent_at=sent_at)
    assert "marked" in story.found()["unrecorded"][0].sentence


def test_i9_a_purchase_without_an_answer_is_found_by_its_photo() -> None:
    story = Story()
    story.change("calls", 1, remote_id=None)
    assert story.found() == {}
    story.openai.append({**story.openai[1], "t": 24.0, "prompt_id": "req_3"})
    assert "req_3" in story.found()["unrecorded"][0].sentence


@pytest.mark.parametrize("said", [[], [at(60, "not_drained", left=["1 open tasks"])]])
def test_i5_a_farm_that_was_not_drained_is_stuck(said: list[dict[str, Any]]) -> None:
    story = Story()
    drop(story.nemesis, "drained")
    story.nemesis += said
    assert "drain" in story.found()["stuck"][0].sentence


def test_i5_a_step_or_a_call_that_is_still_open_is_stuck() -> None:
    story = Story()
    story.change("steps", 0, status="retrying")
    story.change("calls", 0, state="open", outcome=None, closed_at=None)
    sentences = [finding.sentence for finding in story.found()["stuck"]]
    assert sentences == ["step 1: still retrying after the drain", "step 1: its call 1 is still open after the drain"]


@pytest.mark.parametrize("change", [{"mark": "0" * 16}, {"mark": None}, {"sha256_ok": False}])
def test_i11_anothers_or_a_damaged_picture_is_wrong(change: dict[str, Any]) -> None:
    story = Story()
    [row] = [row for row in story.booths if row["event"] == "picture" and row["order_id"] == "order-1"]
    row.update(change)
    [finding] = story.found()["wrong picture"]
    assert finding.task_id == "task-1"


def test_i11_a_step_that_was_given_anothers_photo_is_wrong() -> None:
    story = Story()
    story.comfyui[1]["inputs"] = [{"mark": "0" * 16}]
    assert "made of a photo" in story.found()["wrong picture"][0].sentence


def beside(story: Story, number: int, *, closed_at: float = 15.0, outcome: str = "succeeded") -> None:
    """One more call of the same server, from 13 to 15 by its own log and to `closed_at` by the farm's."""
    story.comfyui.append(comfyui(13.0, "submit", f"p{number}", inputs=[]))
    story.comfyui.append(comfyui(15.0, "end", f"p{number}"))
    call = replace(story.calls[0], id=number, step=2, call_no=number, external_id=f"p{number}")
    story.calls.append(replace(call, opened_at=12.5, closed_at=closed_at, outcome=outcome))


def test_i10_three_at_once_where_two_are_allowed_is_over_the_limit() -> None:
    story = Story()
    beside(story, 11)
    assert "over the limit" not in story.found()
    beside(story, 12)
    sentences = [finding.sentence for finding in story.found()["over the limit"]]
    assert any("by the stand-ins" in sentence for sentence in sentences)
    assert any("by the calls" in sentence for sentence in sentences)
    assert any(SERVER in sentence for sentence in sentences)


def test_i10_a_call_that_was_closed_as_unknown_no_longer_counts() -> None:
    story = Story()
    beside(story, 11, closed_at=12.9, outcome="unknown")
    beside(story, 12)
    story.change("calls", 0, opened_at=12.95, sent_at=12.99)
    assert "over the limit" not in story.found()


def test_i10_what_a_killed_server_ran_ended_with_it() -> None:
    story = Story()
    drop(story.comfyui, "end", prompt_id="p1")
    beside(story, 11)
    story.change("calls", 0, outcome="unknown", closed_at=12.99)
    story.nemesis.append(at(13.0, "begin", fault="kill comfyui", target=SERVER, pid=1, number=1))
    assert "over the limit" not in story.found()


def test_i4_a_look_above_the_limit_is_over_admitted() -> None:
    story = Story()
    story.booths.append(at(11, "queue", booth="booth-1", queued=3))
    assert "3 queued in a booth's look" in story.found()["over-admitted"][0].sentence


def test_i4_rows_that_were_queued_at_once_above_the_limit_are_over_admitted() -> None:
    story = Story()
    for number in (3, 4):
        story.tasks.append(replace(story.tasks[0], id=number, task_id=f"task-{number}", created_at=10.0 + number / 10))
    [finding] = story.found()["over-admitted"]
    assert "number 3 of 2" in finding.sentence
    assert finding.task_id == "task-4"


def test_i4_a_task_that_was_tried_again_does_not_count_as_queued() -> None:
    story = Story()
    for number in (3, 4):
        row = replace(story.tasks[0], id=number, task_id=f"task-{number}", created_at=10.0 + number / 10)
        story.tasks.append(replace(row, started_at=None, finished_at=40.0))
        story.events.append(EventRow(90 + number, row.created_at + 0.05, number, None, 1, "S10", "reconciler", {}))
    story.change("tasks", 0, started_at=10.01)
    assert "over-admitted" not in story.found()


def two_successes(story: Story) -> None:
    story.happens(1, 17, "S4", 1)


def claimed_twice(story: Story) -> None:
    story.events.insert(1, EventRow(99, 12.5, 1, 1, 1, "S2", "another worker", {}))


def stale_attempt(story: Story) -> None:
    story.send_again(outcome="failed")
    story.events[-1] = replace(story.events[-1], attempt=1)


def untold_move(story: Story) -> None:
    story.change("steps", 0, attempt=3)


def picture_of_another_attempt(story: Story) -> None:
    story.change("images", 0, attempt=2)


def status_of_its_own(story: Story) -> None:
    story.change("tasks", 0, status="failed", kind="bug")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (two_successes, "S4 of attempt 1 found it succeeded"),
        (claimed_twice, "attempt 1 was claimed twice"),
        (stale_attempt, "made by attempt 1, and attempt 2 was its own"),
        (untold_move, "its row says succeeded, attempt 3"),
        (picture_of_another_attempt, "a picture of attempt 2 shows"),
        (status_of_its_own, "failed, and its steps are ['succeeded']"),
    ],
)
def test_i7_a_history_that_the_moves_do_not_allow_is_illegal(spoil: Callable[[Story], None], words: str) -> None:
    story = Story()
    spoil(story)
    assert any(words in finding.sentence for finding in story.found()["illegal move"])


def test_i7_deaths_retries_and_a_revival_are_legal() -> None:
    story = Story()
    story.events = [event for event in story.events if event.step != 1]
    moves: list[tuple[str, int, dict[str, Any]]] = [
        ("S2", 1, {}),
        ("S7", 1, {"crashed": True, "crashes": 1}),
        ("S2", 2, {}),
        ("S7", 2, {"crashed": True, "crashes": 2}),
        ("S8", 3, {}),
        ("S2", 3, {}),
        ("S7", 3, {"crashed": True, "crashes": 3, "kind": "poison"}),
        ("S9", 4, {}),
        ("S2", 4, {}),
        ("S7", 4, {"crashed": False, "crashes": 0}),
        ("S2", 5, {}),
        ("S4", 5, {}),
    ]
    for number, (move, attempt, detail) in enumerate(moves):
        story.happens(1, 12 + number / 10, move, attempt, **detail)
    story.change("steps", 0, attempt=5)
    story.change("images", 0, attempt=5)
    assert story.found() == {}


def test_a_slot_or_a_place_in_the_queue_that_is_not_given_back_is_a_leak() -> None:
    story = Story()
    story.change("calls", 0, state="closing", outcome=None, closed_at=None)
    story.booths.append(at(61, "queue", booth="booth-1", queued=1))
    sentences = [finding.sentence for finding in story.found()["leak"]]
    assert sentences == [
        "step 1: its call 1 still holds a slot: closing",
        "the admission count is 1 after the drain, not 0",
    ]


def test_a_file_without_a_row_is_a_leak_once_the_sweep_has_passed_it_by() -> None:
    story = Story()
    story.files["photos/00/half.jpg.part"] = StoredFile(10, 60)
    assert story.found() == {}
    assert story.judged().counts["partial_files"] == 1
    story.files["photos/00/half.jpg.part"] = StoredFile(10, 3 * 3600)
    assert "was not swept" in story.found()["leak"][0].sentence


def test_the_time_line_of_a_task_merges_everybodys_words_in_order() -> None:
    story = Story()
    story.nemesis += freeze(1)
    lines = tell(story.evidence(), Finding("what is wrong", "task-1", "order-1"))
    assert [line.t for line in lines] == sorted(line.t for line in lines)
    assert {line.who for line in lines} == {"booth-1", "database", f"comfyui :{PORT}", "nemesis"}
    assert not any("task-2" in line.what or "order-2" in line.what for line in lines)


def test_what_is_shown_names_the_verdict_and_tells_the_time_line() -> None:
    story = Story()
    two_successes(story)
    console = Console(record=True, width=140, file=open("/dev/null", "w"))
    with console.file:
        show(console, story.judged())
    text = console.export_text()
    assert "illegal move" in text
    assert "S4 of step 1, attempt 1" in text
    assert "submit" in text


def test_a_journal_of_several_writers_is_read_in_the_order_of_moments(tmp_path: Path) -> None:
    journal = tmp_path / "comfyui.jsonl"
    journal.write_text("".join(json.dumps(at(t, "boot")) + "\n" for t in (3.0, 1.0, 2.0)))
    assert [row["t"] for row in read_rows(journal)] == [1.0, 2.0, 3.0]
    journal.write_text('{"t": 1')
    with pytest.raises(ValueError):
        read_rows(journal)
