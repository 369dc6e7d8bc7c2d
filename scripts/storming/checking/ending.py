"""Verdicts on the end of a storm: stuck, leak. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.storming.checking.evidence import Evidence, Finding

SWEPT_SECONDS = 3600.0 + 2 * 600.0
"""A file without a row may lie so long: it is swept an hour after anybody touched it, in one of the next rounds."""
PARTIAL = ".part"


def find_stuck(evidence: Evidence) -> list[Finding]:
    """I5: the farm was healed and given time, and something has not come to its end."""
    findings = []
    events = {row["event"]: row for row in evidence.nemesis}
    if "not_drained" in events:
        findings.append(Finding("the farm was not drained in time"))
    elif "drained" not in events:
        findings.append(Finding("nobody waited for the farm to drain"))
    for task in evidence.snapshot.tasks:
        if task.status in ("queued", "running"):
            findings.append(Finding(f"still {task.status} after the drain", task.task_id, task.order_id))
    for step in evidence.snapshot.steps:
        if step.status in ("queued", "running", "retrying"):
            findings.append(evidence.find_step(step.id, f"still {step.status} after the drain"))
    for call in evidence.snapshot.calls:
        if call.state == "open":
            findings.append(evidence.find_step(call.step, f"its call {call.call_no} is still open after the drain"))
    return findings


def find_leaks(evidence: Evidence) -> list[Finding]:
    """Slots, places in the queue and files that nobody has any more, and nobody gives back."""
    findings = []
    for call in evidence.snapshot.calls:
        if call.state == "closing":
            findings.append(evidence.find_step(call.step, f"its call {call.call_no} still holds a slot: closing"))
    looks = [row for row in evidence.booths if row["event"] == "queue"]
    queued = sum(task.status == "queued" for task in evidence.snapshot.tasks)
    drained = next((row["t"] for row in evidence.nemesis if row["event"] == "drained"), None)
    late = [row["queued"] for row in looks if drained is not None and row["t"] > drained]
    if queued or any(late):
        findings.append(Finding(f"the admission count is {max([queued, *late])} after the drain, not 0"))
    return [*findings, *_find_left_files(evidence)]


def _find_left_files(evidence: Evidence) -> Iterator[Finding]:
    for path in list_orphans(evidence):
        age = evidence.files[path].age
        if age > SWEPT_SECONDS:
            yield Finding(f"the file {path} has no row, and was not swept for {age / 3600:.1f} h")


def list_orphans(evidence: Evidence) -> list[str]:
    """Files that no row names, partial ones among them."""
    return sorted(path for path in evidence.files if path not in evidence.snapshot.named)
