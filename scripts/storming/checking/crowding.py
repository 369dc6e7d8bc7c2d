"""The verdict on limits (I10): how much ran outside at once, by the stand-ins' journals and by the calls. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from scripts.simulators import spans
from scripts.simulators.spans import FOREVER, Span
from scripts.storming.checking.evidence import Evidence, Finding, Submission
from scripts.storming.checking.rows import CallRow


def find_over_limit(evidence: Evidence) -> list[Finding]:
    """More at once than a limit or a depth allows. Calls closed as unknown count until they were closed."""
    limits = {"comfyui": evidence.settings["comfyui_limit"], "api": evidence.settings["api_limit"]}
    depth = evidence.settings["comfyui_depth"]
    findings: list[Finding] = []
    for source, seen in (("by the stand-ins", seen_spans(evidence)), ("by the calls", list(call_spans(evidence)))):
        at: dict[tuple[str, str], list[tuple[Span, CallRow]]] = defaultdict(list)
        for span, call in seen:
            at[call.resource, ""].append((span, call))
            if call.resource == "comfyui" and call.server:
                at[call.resource, call.server].append((span, call))
        for (resource, server), within in at.items():
            limit = depth if server else limits[resource]
            most, when, call = spans.most_at_once(within)
            if most > limit and call is not None:
                where = server or resource
                sentence = f"{most} at once at {where} at {when:.3f}, {limit} allowed, {source}"
                findings.append(evidence.find_step(call.step, sentence))
    return findings


def call_spans(evidence: Evidence) -> Iterator[tuple[Span, CallRow]]:
    """How long each call held its slot."""
    for call in evidence.snapshot.calls:
        yield (call.opened_at, FOREVER if call.closed_at is None else call.closed_at), call


def seen_spans(evidence: Evidence) -> list[tuple[Span, CallRow]]:
    """How long each submission was at its stand-in. One that came after its call was closed is judged elsewhere."""
    seen = []
    for one in evidence.submissions:
        if one.call is None:
            continue
        end = left_at(evidence, one)
        if one.call.closed_at is not None and (one.call.outcome == "unknown" or one.call.closed_at < one.t):
            end = min(end, one.call.closed_at)
        seen.append(((one.t, end), one.call))
    return seen


def left_at(evidence: Evidence, one: Submission) -> float:
    """When a submission ended, was taken out, or went down with its server."""
    rows = evidence.comfyui if one.resource == "comfyui" else evidence.openai
    return min(spans.left_at(rows, one.row), _killed_at(evidence, one))


def _killed_at(evidence: Evidence, one: Submission) -> float:
    """When the nemesis next killed the stand-in; its own journal tells of that only at its next boot."""
    for fault in evidence.faults:
        here = fault.target.endswith(f":{one.row['port']}") or (one.resource == "api" and fault.target == "openai")
        if fault.fault in ("kill comfyui", "kill openai") and here and fault.begun >= one.t:
            return fault.begun
    return FOREVER
