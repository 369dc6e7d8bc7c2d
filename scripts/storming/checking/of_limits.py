"""Limits that the outside sees: calls at once, prompts at one server, tasks in the queue. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from scripts.storming.checking.findings import Finding
from scripts.storming.checking.histories import Histories, Row

GIVEN_UP = frozenset({"unknown", "lost"})
"""Outcomes of calls that no longer count, whatever their server still does."""

Span = tuple[float, float]


def find_over_the_limit(histories: Histories) -> list[Finding]:
    """More at once than a resource or a server may have."""
    settings = histories.settings
    comfyui = _spans(histories, histories.comfyui)
    cloud = _spans(histories, histories.openai)
    bounds: list[tuple[str, list[Span], float]] = [
        ("ComfyUI", [span for spans in comfyui.values() for span in spans], settings.get("comfyui_limit", math.inf)),
        ("the cloud", [span for spans in cloud.values() for span in spans], settings.get("api_limit", math.inf)),
    ]
    depth = settings.get("comfyui_depth", math.inf)
    bounds += [(f"the server at port {port}", spans, depth) for port, spans in comfyui.items()]
    found = []
    for where, spans, limit in bounds:
        most, moment = most_at_once(spans)
        if most > limit:
            found.append(Finding(f"{most} calls at once at {where}, at most {limit} may be", moment=moment))
    return found


def find_over_admitted(histories: Histories) -> list[Finding]:
    """More tasks waiting than the limit, as booths saw it or as the rows tell."""
    limit = histories.settings.get("queue_limit", math.inf)
    found = [
        Finding(f"{row['queued']} tasks queued were shown, at most {limit} may be", moment=row["t"])
        for row in histories.booths
        if row["event"] == "queue" and row["queued"] > limit
    ]
    waits = [
        (task["created_at"], task["started_at"] or task["finished_at"] or math.inf)
        for task in histories.rows("tasks")
        if task["take"] == 0
    ]
    most, moment = most_at_once(waits)
    if most > limit:
        found.append(Finding(f"{most} tasks waited at once, at most {limit} may", moment=moment))
    return found


def most_at_once(spans: Iterable[Span]) -> tuple[int, float]:
    """(the most spans that share a moment, when that was first)."""
    moves = [move for begin, end in spans if end > begin for move in ((begin, 1), (end, -1))]
    level = most = 0
    at = 0.0
    for moment, move in sorted(moves):
        level += move
        if level > most:
            most, at = level, moment
    return most, at


def _spans(histories: Histories, rows: Sequence[Row]) -> dict[int, list[Span]]:
    """Port -> from when until when each submission was there. A server's death ends what it had, at its next boot."""
    given_up: dict[str, float] = {}
    for call in histories.rows("calls"):
        if call["outcome"] in GIVEN_UP and call["closed_at"] is not None:
            given_up |= {name: call["closed_at"] for name in (call["external_id"], call["remote_id"]) if name}
    open_since: dict[int, dict[str, float]] = defaultdict(dict)
    spans: dict[int, list[Span]] = defaultdict(list)

    def end(port: int, prompt_id: str, moment: float) -> None:
        begun = open_since[port].pop(prompt_id, None)
        if begun is not None:
            spans[port].append((begun, min(moment, given_up.get(prompt_id, math.inf))))

    for row in rows:
        port = row["port"]
        if row["event"] == "boot":
            for prompt_id in list(open_since[port]):
                end(port, prompt_id, row["t"])
        elif row["event"] == "submit":
            open_since[port].setdefault(row["prompt_id"], row["t"])
        elif row["event"] in ("end", "delete"):
            end(port, row["prompt_id"], row["t"])
        elif row["event"] == "clear":
            for prompt_id in row["prompt_ids"]:
                end(port, prompt_id, row["t"])
    for port, left in open_since.items():
        for prompt_id in list(left):
            end(port, prompt_id, math.inf)
    return spans
