"""Verdicts on what was sent outside: duplicated, unrecorded, over the limit. By the stand-ins' journals. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from scripts.storming.checking.evidence import Evidence, Fault, Finding, Submission
from scripts.storming.checking.rows import CallRow

EXCUSING = frozenset({"failed", "lost", "unknown", "rejected", "stopped"})
"""Outcomes after which a step may be sent again. `unsent` is none: what the stand-in saw was sent.

`unknown` is one for a paid call only once, and only where the provider's setting says so (C4).
"""
FREEZES = ("freeze worker", "freeze pool")
UNNAMED = "worker "
BOOT_SECONDS = 1.0
"""A stand-in writes its boot down so much after it first answers, at the most."""


@dataclass(frozen=True)
class Bought:
    """What was found; `extra` counts submissions that a freeze between check and POST explains, one for each."""

    findings: list[Finding]
    extra: int


def find_duplicated(evidence: Evidence) -> Bought:
    """I8: of the submissions of a step, every earlier one has a closed call that excuses the next."""
    by_step: dict[int, list[Submission]] = defaultdict(list)
    for one in evidence.submissions:
        if one.call is not None:
            by_step[one.call.step].append(one)
    findings, frozen = [], Counter[tuple[int, str]]()
    for step_id, submissions in by_step.items():
        submissions.sort(key=lambda one: (one.call.call_no if one.call else 0, one.t))
        earlier: list[Submission] = []
        for one in submissions:
            freeze = _freeze_behind(evidence, one)
            if freeze is not None:
                frozen[freeze] += 1
                if frozen[freeze] == 1:
                    continue
            if why := _why_duplicated(evidence, one, earlier):
                findings.append(evidence.find_step(step_id, why))
            earlier.append(one)
    return Bought(findings, len(frozen))


def _why_duplicated(evidence: Evidence, one: Submission, earlier: list[Submission]) -> str | None:
    call = one.call
    if call is None:
        return None
    if call.closed_at is not None and one.t > call.closed_at and call.outcome not in ("unknown", "stopped"):
        return f"call {call.call_no} was sent at {one.t:.3f}, after it was closed as {call.outcome}, and nobody froze"
    if call.outcome == "unsent":
        return f"call {call.call_no} was closed as unsent, and the server had it"
    if call.outcome == "lost" and _still_had(evidence, one):
        return f"call {call.call_no} was closed as lost, and the server had it all the time"
    for before in earlier:
        first = before.call
        if first is None:
            continue
        if first.id == call.id:
            return f"call {call.call_no} was sent twice under the same id, at {before.t:.3f} and {one.t:.3f}"
        if first.outcome not in EXCUSING or first.closed_at is None or first.closed_at > call.opened_at:
            how = f"closed as {first.outcome}" if first.closed_at is not None else first.state
            return f"call {call.call_no} was sent though call {first.call_no} had been, which is {how}"
    return _why_bought_blindly(evidence, call, earlier)


def _why_bought_blindly(evidence: Evidence, call: CallRow, earlier: list[Submission]) -> str | None:
    """A call that was paid for although nobody could tell of one before, and nobody asked for it (C4)."""
    if call.provider is None:
        return None
    asked_at = [row.at for row in evidence.snapshot.events if row.step == call.step and row.move == "S9"]
    unknown = [
        first.call_no
        for before in earlier
        if (first := before.call) is not None
        and first.outcome == "unknown"
        and not any((first.closed_at or 0.0) <= moment <= call.opened_at for moment in asked_at)
    ]
    allowed = 1 if evidence.settings["providers"][call.provider]["unknown"] == "resubmit" else 0
    if len(unknown) <= allowed:
        return None
    return f"call {call.call_no} was sent by itself though nobody can tell of call {unknown[0]}"


def _still_had(evidence: Evidence, one: Submission) -> bool:
    """Was a ComfyUI prompt never out of its server's queue and history until its call was closed?"""
    if one.resource != "comfyui" or one.call is None or one.call.closed_at is None:
        return False
    until = one.call.closed_at + BOOT_SECONDS
    for row in evidence.comfyui:
        if row["port"] != one.row["port"] or not one.t <= row["t"] <= until:
            continue
        removed = row["event"] == "delete" and row["prompt_id"] == one.row["prompt_id"]
        if row["event"] in ("boot", "clear") or removed:
            return False
    return True


def _freeze_behind(evidence: Evidence, one: Submission) -> tuple[int, str] | None:
    """Which freeze, and of whom, explains a submission by a process that had no longer the right to it."""
    call = one.call
    if call is None or call.sent_at is None or call.closed_at is None or call.outcome == "unknown":
        return None  # what is unknown may show up late for other reasons, and is deleted then
    if one.t <= call.closed_at and call.outcome != "lost":
        return None
    worker = holder_at(evidence, call, call.sent_at)
    for fault in evidence.faults:
        if fault.overlaps(call.sent_at, one.t) and _explains(fault, worker):
            return fault.number, worker
    return None


def holder_at(evidence: Evidence, call: CallRow, moment: float) -> str:
    """Which worker had claimed the call's step at that moment; empty when nobody had."""
    claims = [
        row for row in evidence.snapshot.events if row.step == call.step and row.move == "S2" and row.at <= moment
    ]
    return claims[-1].actor if claims else ""


def _explains(fault: Fault, worker: str) -> bool:
    """Did it freeze this worker? One whose name could not be asked for may be any: the journal has its pid then."""
    if fault.fault not in FREEZES:
        return False
    frozen = (fault.target, *fault.also.get("workers", ()))
    return worker in frozen or any(name.startswith(UNNAMED) for name in frozen)


def find_unrecorded(evidence: Evidence) -> list[Finding]:
    """I9: submissions without a call, or with one that was not marked as sent by then."""
    findings = []
    for one in evidence.submissions:
        if one.call is None:
            findings.append(Finding(f"{one.resource} got {one.row['prompt_id']} at {one.t:.3f}, and no call says so"))
        elif one.call.sent_at is None:
            findings.append(evidence.find_step(one.call.step, f"call {one.call.call_no} was sent and is not marked so"))
        elif one.call.sent_at > one.t:
            late = one.call.sent_at - one.t
            sentence = f"call {one.call.call_no} was marked as sent {late:.3f} s after it was"
            findings.append(evidence.find_step(one.call.step, sentence))
    return findings
