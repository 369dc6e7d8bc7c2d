"""The verdict on limits (I10): how much ran outside at once, by the stand-ins' journals and by the calls. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from scripts.simulators import spans
from scripts.simulators.spans import FOREVER, Span
from scripts.storming.checking.evidence import Evidence, Finding, Submission
from scripts.storming.checking.rows import CallRow


def find_over_limit(evidence: Evidence) -> list[Finding]:
    """More at once than a resource, a provider or a server may have. What is unknown counts until it was closed."""
    limits = {"comfyui": evidence.settings["comfyui_limit"], "api": evidence.settings["api_limit"]}
    limits |= {name: described["limit"] for name, described in evidence.settings["providers"].items()}
    depth = evidence.settings["comfyui_depth"]
    findings: list[Finding] = []
    for source, seen in (("by the stand-ins", seen_spans(evidence)), ("by the calls", list(call_spans(evidence)))):
        at: dict[str, list[tuple[Span, CallRow]]] = defaultdict(list)
        for span, call in seen:
            for where in filter(None, (call.resource, call.provider, call.server)):
                at[where].append((span, call))
        for where, within in at.items():
            limit = limits.get(where, depth)
            most, when, call = spans.most_at_once(within)
            if most > limit and call is not None:
                sentence = f"{most} at once at {where} at {when:.3f}, {limit} allowed, {source}"
                findings.append(evidence.find_step(call.step, sentence))
    return findings


def call_spans(evidence: Evidence) -> Iterator[tuple[Span, CallRow]]:
    """How long each call held its slot."""
    for call in evidence.snapshot.calls:
        yield (call.opened_at, FOREVER if call.closed_at is None else call.closed_at), call


def seen_spans(evidence: Evidence) -> list[tuple[Span, CallRow]]:
    """How long each submission was at its stand-in. One that came after its call was closed is judged elsewhere.

    What nobody can tell of, and what a provider gave us no id for, counts until its call was closed: so the farm does.
    """
    seen = []
    for one in evidence.submissions:
        if one.call is None:
            continue
        end = left_at(evidence, one)
        is_out_of_sight = one.call.outcome == "unknown" or (
            one.call.provider is not None and one.call.remote_id is None
        )
        if one.call.closed_at is not None and (is_out_of_sight or one.call.closed_at < one.t):
            end = min(end, one.call.closed_at)
        seen.append(((one.t, end), one.call))
    return seen


def left_at(evidence: Evidence, one: Submission) -> float:
    """When a submission ended, was taken out, or went down with its server."""
    for row in evidence.comfyui if one.resource == "comfyui" else evidence.clouds:
        if row["t"] < one.t or row["port"] != one.row["port"]:
            continue
        mine = row.get("prompt_id") == one.row["prompt_id"]
        if (row["event"] in ("end", "delete") and mine) or row["event"] == "boot":
            return min(row["t"], _killed_at(evidence, one))
        if row["event"] == "clear" and one.row["prompt_id"] in row["prompt_ids"]:
            moment: float = row["t"]
            return moment
    return _killed_at(evidence, one)


def _killed_at(evidence: Evidence, one: Submission) -> float:
    """When the nemesis next killed the stand-in; its own journal tells of that only at its next boot."""
    is_cloud = one.resource == "api"
    for fault in evidence.faults:
        here = (
            evidence.provider_at(one.row) == fault.target if is_cloud else fault.target.endswith(f":{one.row['port']}")
        )
        if fault.fault == ("kill cloud" if is_cloud else "kill comfyui") and here and fault.begun >= one.t:
            return fault.begun
    return FOREVER
