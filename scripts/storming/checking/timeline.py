"""One task's story, merged from everything that was written down: who did what when. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.storming.checking.findings import Finding
from scripts.storming.checking.histories import Histories, Row

AROUND_SECONDS = 5.0
QUIET = frozenset({"t", "event", "order_id", "booth", "inputs", "filename_prefix", "client_id"})
SHOWN = 120

Line = tuple[float, str, str]


def tell(histories: Histories, finding: Finding) -> list[str]:
    """Lines in the order of time, with the faults that were in effect meanwhile."""
    lines = sorted(_own_lines(histories, finding))
    if not lines and finding.moment is not None:
        lines = [(finding.moment, "here", finding.sentence)]
    if not lines:
        return []
    begin, end = lines[0][0], lines[-1][0]
    if finding.moment is not None:
        begin, end = max(begin, finding.moment - 60.0), min(end, finding.moment + 30.0)
    window = (begin - AROUND_SECONDS, end + AROUND_SECONDS)
    lines = [line for line in lines if window[0] <= line[0] <= window[1]]
    lines += [
        (row["t"], "nemesis", _describe(row))
        for row in histories.nemesis
        if window[0] <= row["t"] <= window[1] and row["event"] in ("begin", "end")
    ]
    return [f"{moment - begin:9.3f}  {who:<8}  {what}" for moment, who, what in sorted(lines)][:SHOWN]


def _own_lines(histories: Histories, finding: Finding) -> Iterator[Line]:
    order, task = _find_rows(histories, finding)
    if order is not None:
        for row in histories.booths:
            if row.get("order_id") == order["order_id"]:
                yield row["t"], "booth", _describe(row)
    elif finding.order_id is not None:
        for row in histories.booths:
            if row.get("order_id") == finding.order_id:
                yield row["t"], "booth", _describe(row)
    if task is None:
        return
    steps = {step["id"] for step in histories.rows("steps") if step["task_id"] == task["id"]}
    for event in histories.rows("events"):
        if event["task_id"] == task["id"]:
            told = f"{event['move']} step {event['step_id']} attempt {event['attempt']} by {event['actor']}"
            yield event["at"], "history", f"{told} {event['detail'] or ''}".strip()
    calls = [call for call in histories.rows("calls") if call["step_id"] in steps]
    for call in calls:
        named = f"call {call['id']} no {call['call_no']} at {call['server'] or call['provider']}"
        for what in ("opened_at", "sent_at", "closing_at", "closed_at"):
            if call[what] is not None:
                outcome = f" as {call['outcome']}" if what == "closed_at" else ""
                yield call[what], "call", f"{named} {what.removesuffix('_at')}{outcome}"
    ids = {call["external_id"] for call in calls} | {call["remote_id"] for call in calls}
    for row in [*histories.comfyui, *histories.openai]:
        if row.get("prompt_id") in ids:
            yield row["t"], "server", _describe(row)


def _find_rows(histories: Histories, finding: Finding) -> tuple[Row | None, Row | None]:
    tasks = histories.rows("tasks")
    orders = histories.rows("orders")
    if finding.task is not None:
        task = next((row for row in tasks if row["id"] == finding.task), None)
        order = next((row for row in orders if task is not None and row["id"] == task["order_id"]), None)
        return order, task
    order = next((row for row in orders if row["order_id"] == finding.order_id), None)
    return order, next((row for row in tasks if order is not None and row["order_id"] == order["id"]), None)


def _describe(row: Row) -> str:
    fields = " ".join(f"{key}={value}" for key, value in row.items() if key not in QUIET and value is not None)
    return f"{row['event']} {fields}".strip()
