"""The verdict on pictures (I11): the guest gets their own, whole. By the marks painted into photos. Pure."""

from __future__ import annotations

from scripts.storming.checking.evidence import Evidence, Finding


def find_wrong(evidence: Evidence) -> list[Finding]:
    """A picture that carries another photo's mark or none, is not what was announced, or a step that got another's."""
    tasks = {task.task_id: task for task in evidence.snapshot.tasks}
    findings = []
    for row in evidence.booths:
        if row["event"] != "picture":
            continue
        task = tasks.get(row["task_id"])
        wanted = evidence.mark_of(task) if task is not None else None
        if not row["sha256_ok"]:
            findings.append(Finding("its picture is not the one announced", row["task_id"], row["order_id"]))
        if row["mark"] != wanted:
            sentence = f"its picture carries the mark {row['mark']}, its photo {wanted}"
            findings.append(Finding(sentence, row["task_id"], row["order_id"]))
    for one in evidence.submissions:
        if one.call is None:
            continue
        wanted = evidence.mark_of(evidence.task_of(one.call.step))
        others = {source["mark"] for source in one.row["inputs"] if source.get("mark")} - {wanted}
        if others:
            sentence = f"call {one.call.call_no} was made of a photo with the mark {', '.join(sorted(others))}"
            findings.append(evidence.find_step(one.call.step, sentence))
    return findings
