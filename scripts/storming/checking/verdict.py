"""Judging a storm: every verdict in its place, and the counts that say how much was seen. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from scripts.storming.checking import buying, crowding, ending, moving, pictures, taking
from scripts.storming.checking.evidence import Evidence, Finding

VERDICTS = (
    "lost",
    "ghost",
    "duplicated",
    "unrecorded",
    "stuck",
    "wrong picture",
    "over the limit",
    "over-admitted",
    "illegal move",
    "leak",
)


@dataclass(frozen=True)
class Verdict:
    """What was found under each name of VERDICTS, and how much there was to look at."""

    findings: Mapping[str, list[Finding]]
    counts: dict[str, int]
    evidence: Evidence

    @property
    def passes(self) -> bool:
        """Nothing was found, and there was something to find it in: a storm without orders proves nothing."""
        return not any(self.findings.values()) and self.counts["accepted"] > 0


def judge(evidence: Evidence) -> Verdict:
    """All verdicts. Raises LookupError when the limits were not written down."""
    bought = buying.find_duplicated(evidence)
    findings = {
        "lost": taking.find_lost(evidence),
        "ghost": taking.find_ghosts(evidence),
        "duplicated": bought.findings,
        "unrecorded": buying.find_unrecorded(evidence),
        "stuck": ending.find_stuck(evidence),
        "wrong picture": pictures.find_wrong(evidence),
        "over the limit": crowding.find_over_limit(evidence),
        "over-admitted": taking.find_over_admitted(evidence),
        "illegal move": moving.find_illegal(evidence),
        "leak": ending.find_leaks(evidence),
    }
    counts = {name: len(findings[name]) for name in VERDICTS}
    return Verdict(findings, counts | count(evidence) | {"extra_after_freeze": bought.extra}, evidence)


def count(evidence: Evidence) -> dict[str, int]:
    """How much was seen."""
    ends = taking.group_answers(evidence).values()
    answers = [answer for of_one in ends for answer in of_one]
    statuses = Counter(task.status for task in evidence.snapshot.tasks)
    orphans = ending.list_orphans(evidence)
    return {
        "posts": len(answers),
        "accepted": sum(any(map(taking.is_accepted, of_one)) for of_one in ends),
        "refused_answers": sum(one["event"] == "answer" and not taking.is_accepted(one) for one in answers),
        "no_answers": sum(one["event"] == "no_answer" for one in answers),
        "tasks": len(evidence.snapshot.tasks),
        **{status: statuses[status] for status in taking.ENDED},
        "pictures": sum(row["event"] == "picture" for row in evidence.booths),
        "submissions": len(evidence.submissions),
        "purchases": sum(one.resource == "api" for one in evidence.submissions),
        "unknown_calls": sum(call.outcome == "unknown" for call in evidence.snapshot.calls),
        "faults": len(evidence.faults),
        "freezes": sum(fault.fault in buying.FREEZES for fault in evidence.faults),
        "files_without_rows": len(orphans),
        "partial_files": sum(path.endswith(ending.PARTIAL) for path in orphans),
    }
