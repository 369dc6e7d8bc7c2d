"""The checker of a storm: one small history in which all is well, and what each verdict needs to be given."""

from __future__ import annotations

import copy
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from scripts.storming.checking import show
from scripts.storming.checking.histories import Histories
from scripts.storming.checking.verdict import JUDGES, judge

Mutable = dict[str, Any]
MARK, SHA = "00000000000000aa", "f" * 64
TASK, PROMPT, REQUEST = "task-1", "prompt-1", "req-1"


def make_history() -> Mutable:
    """One order whose task has a ComfyUI step and a cloud step, and both went well."""
    return {
        "nemesis": [
            {"t": 0.0, "event": "settings", "claim_s": 3, "comfyui_limit": 2, "api_limit": 1, "comfyui_depth": 1}
            | {"queue_limit": 5},
            {"t": 1.0, "event": "begin", "fault": "kill worker", "target": "w", "pid": 1, "number": 1},
            {"t": 1.0, "event": "end", "fault": "kill worker", "target": "w", "pid": 1, "number": 1},
            {"t": 50.0, "event": "healed"},
            {"t": 60.0, "event": "drained", "seconds": 10},
        ],
        "booths": [
            {"t": 2.0, "event": "post", "booth": "b", "order_id": "o", "mark": MARK, "photo_sha256": SHA}
            | {"style": "s", "send": 1},
            {"t": 2.1, "event": "answer", "booth": "b", "order_id": "o", "send": 1, "status": 202, "code": None}
            | {"task_ids": [TASK]},
            {"t": 2.2, "event": "queue", "queued": 1},
            {"t": 9.0, "event": "picture", "booth": "b", "order_id": "o", "task_id": TASK, "sha256_ok": True}
            | {"mark": MARK},
        ],
        "comfyui": [
            {"t": 0.1, "event": "boot", "port": 1},
            {"t": 3.2, "event": "submit", "port": 1, "prompt_id": PROMPT, "inputs": [{"mark": MARK}]},
            {"t": 4.0, "event": "end", "port": 1, "prompt_id": PROMPT, "outcome": "success"},
        ],
        "openai": [
            {"t": 5.2, "event": "submit", "port": 2, "prompt_id": REQUEST, "inputs": [{"mark": MARK}]},
            {"t": 6.0, "event": "end", "port": 2, "prompt_id": REQUEST, "outcome": "success"},
        ],
        "tables": {
            "orders": [{"id": 1, "order_id": "o"}],
            "photos": [{"id": 1, "path": "photos/p", "sha256": SHA, "bytes": 7}],
            "tasks": [
                {"id": 1, "task_id": TASK, "order_id": 1, "photo_sha256": SHA, "style": "s", "take": 0, "kind": None}
                | {"status": "succeeded", "created_at": 2.0, "started_at": 3.0, "finished_at": 7.0}
            ],
            "steps": [
                {"id": 1, "task_id": 1, "status": "succeeded"},
                {"id": 2, "task_id": 1, "status": "succeeded"},
            ],
            "calls": [
                make_call(1, 1, PROMPT, None, "comfyui", 3.1, 4.1),
                make_call(2, 2, "uuid", REQUEST, "api", 5.1, 6.1),
            ],
            "images": [{"uid": "i", "task_id": 1, "step_id": 2, "attempt": 1, "path": "images/i", "bytes": 9}],
            "events": [
                make_event(1, 3.0, 1, 1, "S2"),
                make_event(2, 4.1, 1, 1, "S4"),
                make_event(3, 4.1, 2, 1, "S1"),
                make_event(4, 5.0, 2, 1, "S2"),
                make_event(5, 6.1, 2, 1, "S4"),
            ],
        },
        "files": {"photos/p": 7, "images/i": 9, "images/nobody-refers-to-it": 1},
    }


def make_call(
    row_id: int, step: int, external: str, remote: str | None, resource: str, sent: float, closed: float
) -> Mutable:
    """A call that went well."""
    return {
        "id": row_id,
        "call_no": 1,
        "step_id": step,
        "resource": resource,
        "provider": None,
        "server": "http://1",
        "external_id": external,
        "remote_id": remote,
        "state": "closed",
        "outcome": "succeeded",
        "opened_at": sent - 0.1,
        "sent_at": sent,
        "closing_at": None,
        "closed_at": closed,
    }


def make_event(row_id: int, at: float, step: int, attempt: int, move: str) -> Mutable:
    """A line of the order's history."""
    event = {"id": row_id, "at": at, "task_id": 1, "step_id": step, "attempt": attempt, "move": move}
    return event | {"actor": "worker", "detail": {}}


def with_second_prompt(history: Mutable, outcome: str, *, closed: float = 3.5) -> None:
    """The first step was submitted twice; its first call has ended as `outcome`."""
    calls = history["tables"]["calls"]
    second = make_call(3, 1, "prompt-2", None, "comfyui", 3.6, 4.6) | {"call_no": 2}
    calls[0] |= {"outcome": outcome, "closed_at": closed}
    calls.append(second)
    history["comfyui"][1:] = [
        {"t": 3.2, "event": "submit", "port": 1, "prompt_id": PROMPT, "inputs": [{"mark": MARK}]},
        {"t": 3.4, "event": "boot", "port": 1},
        {"t": 3.7, "event": "submit", "port": 3, "prompt_id": "prompt-2", "inputs": [{"mark": MARK}]},
        {"t": 4.5, "event": "end", "port": 3, "prompt_id": "prompt-2", "outcome": "success"},
    ]


def with_answer(history: Mutable, **changes: Any) -> None:
    history["booths"][1] |= changes


def with_row(history: Mutable, table: str, number: int = 0, **changes: Any) -> None:
    history["tables"][table][number] |= changes


def with_crowd(history: Mutable, port: int, count: int) -> None:
    """Prompts that are all at the servers at one moment, from port `port` on."""
    for number in range(count):
        prompt = f"crowd-{number}"
        at = {"port": port + number, "prompt_id": prompt}
        history["comfyui"] += [{"t": 20.0, "event": "submit", "inputs": [], **at}, {"t": 21.0, "event": "end", **at}]
        call = make_call(10 + number, 10 + number, prompt, None, "comfyui", 19.9, 21.0)
        history["tables"]["calls"].append(call)


RED: list[tuple[str, str, Callable[[Mutable], object]]] = [
    ("lost", "a promised task is not there", lambda h: with_answer(h, task_ids=["task-2"])),
    ("lost", "the task has another photo", lambda h: with_row(h, "tasks", photo_sha256="0" * 64)),
    ("lost", "the task has not ended", lambda h: with_row(h, "tasks", status="running")),
    ("lost", "it failed without saying why", lambda h: with_row(h, "tasks", status="failed")),
    ("ghost", "refused, yet there", lambda h: with_answer(h, status=503, task_ids=[])),
    ("duplicated", "again after success", lambda h: with_second_prompt(h, "succeeded")),
    ("duplicated", "again as if never sent", lambda h: with_second_prompt(h, "unsent")),
    ("duplicated", "the same prompt twice", lambda h: h["comfyui"].insert(2, h["comfyui"][1] | {"t": 3.3})),
    ("duplicated", "bought twice in the cloud", lambda h: h["openai"].append(h["openai"][0] | {"t": 6.5})),
    ("unrecorded", "a prompt without a call", lambda h: h["comfyui"][1].update(prompt_id="stranger")),
    ("unrecorded", "sent before it was written", lambda h: with_row(h, "calls", sent_at=3.3)),
    ("unrecorded", "never marked as sent", lambda h: with_row(h, "calls", 1, sent_at=None)),
    ("stuck", "a task waits", lambda h: with_row(h, "tasks", status="queued")),
    ("stuck", "a step runs", lambda h: with_row(h, "steps", status="running")),
    ("stuck", "not drained", lambda h: h["nemesis"].append({"t": 61.0, "event": "not_drained"})),
    ("wrong picture", "another guest's", lambda h: h["booths"][3].update(mark="00000000000000bb")),
    ("wrong picture", "another hash", lambda h: h["booths"][3].update(sha256_ok=False)),
    ("over the limit", "three at three servers", lambda h: with_crowd(h, 10, 3)),
    (
        "over the limit",
        "two at one server",
        lambda h: h["comfyui"].extend(
            {"t": 20.0, "event": "submit", "port": 9, "prompt_id": name, "inputs": []} for name in "ab"
        ),
    ),
    ("over-admitted", "seen", lambda h: h["booths"][2].update(queued=6)),
    (
        "over-admitted",
        "by the rows",
        lambda h: h["tables"]["tasks"].extend(
            h["tables"]["tasks"][0] | {"id": 10 + n, "task_id": f"more-{n}"} for n in range(5)
        ),
    ),
    ("illegal move", "two successes", lambda h: h["tables"]["events"].append(make_event(6, 6.2, 2, 1, "S4"))),
    ("illegal move", "a move from nowhere", lambda h: h["tables"]["events"].insert(0, make_event(0, 1, 1, 1, "S8"))),
    (
        "illegal move",
        "an attempt claimed twice",
        lambda h: h["tables"]["events"].insert(1, make_event(0, 3, 1, 1, "S2")),
    ),
    ("illegal move", "never claimed", lambda h: with_row(h, "events", 1, attempt=2)),
    ("illegal move", "the row says something else", lambda h: with_row(h, "steps", 1, status="failed")),
    ("illegal move", "a picture of another attempt", lambda h: with_row(h, "images", attempt=2)),
    ("leak", "a slot", lambda h: with_row(h, "calls", state="closing")),
    ("leak", "a torn picture", lambda h: h["files"].update({"images/i": 8})),
    ("leak", "a photo's file", lambda h: h["files"].pop("photos/p")),
]


def read(history: Mutable) -> Histories:
    return Histories(**history)


def test_nothing_is_found_where_all_is_well() -> None:
    verdict = judge(read(make_history()))
    assert verdict.passes
    assert not any(verdict.counts.values())
    assert (verdict.orders, verdict.tasks, verdict.faults) == (1, 1, 1)


@pytest.mark.parametrize(("name", "case", "spoil"), RED, ids=[f"{name}: {case}" for name, case, _ in RED])
def test_what_is_wrong_is_found_under_its_name(name: str, case: str, spoil: Callable[[Mutable], object]) -> None:
    history = copy.deepcopy(make_history())
    spoil(history)
    verdict = judge(read(history))
    assert verdict.counts[name] >= 1, case
    assert not verdict.passes


def test_every_verdict_has_a_red_case() -> None:
    assert {name for name, _, _ in RED} == set(JUDGES)


@pytest.mark.parametrize("outcome", ["failed", "lost", "unknown", "stopped", "rejected"])
def test_a_step_may_be_submitted_again_after_a_call_that_gave_nothing(outcome: str) -> None:
    history = make_history()
    with_second_prompt(history, outcome)
    assert judge(read(history)).passes


def test_one_submission_too_many_after_a_freeze_is_told_apart() -> None:
    history = make_history()
    with_second_prompt(history, "succeeded")
    freeze = {"fault": "freeze worker", "target": "w", "pid": 1, "number": 2}
    history["nemesis"][2:2] = [{"t": 2.5, "event": "begin", **freeze}, {"t": 3.0, "event": "end", **freeze}]
    verdict = judge(read(history))
    assert verdict.passes
    assert verdict.counts["extra after a freeze"] == 1


def test_what_may_be_either_is_no_ghost() -> None:
    history = make_history()
    history["booths"][1] = {"t": 2.1, "event": "no_answer", "booth": "b", "order_id": "o", "send": 1, "error": "reset"}
    assert judge(read(history)).passes


def test_calls_given_up_as_unknown_no_longer_count() -> None:
    history = make_history()
    with_crowd(history, 10, 3)
    calls = [call for call in history["tables"]["calls"] if call["external_id"].startswith("crowd")]
    calls[0] |= {"outcome": "unknown", "closed_at": 20.0}
    assert judge(read(history)).counts["over the limit"] == 0


def test_a_finding_is_shown_with_the_story_of_its_task() -> None:
    history = make_history()
    history["booths"][3]["mark"] = "00000000000000bb"
    text = StringIO()
    show(Console(file=text, width=200), judge(read(history)))
    shown = text.getvalue()
    for word in ("wrong picture", "kill worker", "S4 step 2", "call 1 no 1", "submit port=1", "answer send=1"):
        assert word in shown
