"""The moves that others make: the pool, the reconciler, operators, the web. S7 to S11 of states.py.

Each function is one transaction's worth of work and raises ClaimLost when the step has moved on meanwhile.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.database import now_of, outbox_of
from jobs.errors import ClaimLost, Conflict
from jobs.orders import calls
from jobs.orders.events import raise_version, record
from jobs.orders.models import Step, Task
from jobs.orders.moves import change_step, change_task
from jobs.orders.states import OPEN_STEP, OPEN_TASK

CRASHES_UNTIL_POISON = 3
CLAIMS_UNTIL_POISON = 10
PASSING_KINDS = frozenset({"unavailable", "deadline"})
"""A task that failed for one of these is tried again by a repeated submission."""


def list_expired(session: Session) -> list[int]:
    """Steps whose claim has run out."""
    now = now_of(session)
    return list(session.scalars(select(Step.id).where(Step.status == "running", Step.claim_until < now)))


def list_claims_of(session: Session, worker: str) -> list[int]:
    """Steps that a worker holds."""
    return list(session.scalars(select(Step.id).where(Step.status == "running", Step.worker == worker)))


def list_overdue(session: Session, workers: list[str], grace_s: float) -> list[str]:
    """Workers whose claim has outlived its step's time limit by more than `grace_s`: they hang."""
    now = now_of(session)
    rows = session.execute(
        select(Step.worker, Step.claimed_at, Step.timeout_s).where(Step.status == "running", Step.worker.in_(workers))
    )
    return [
        worker
        for worker, claimed_at, timeout_s in rows
        if worker is not None and claimed_at is not None and claimed_at + timedelta(seconds=timeout_s + grace_s) < now
    ]


def release_step(
    session: Session,
    step_id: int,
    *,
    actor: str,
    worker: str | None = None,
    crashed: bool = False,
    crash_wait_s: float = 10.0,
    reason: str = "",
) -> dict[str, Any]:
    """S7: take the step away from a worker that died (`worker` given) or whose claim ran out. Its call stays open.

    A worker's own death counts as a crash: the second waits, the third is poison, as are ten claims in a row.
    Returns the ids for the log, as the moves below do.
    """
    now = now_of(session)
    step = _load(session, step_id)
    if step.status != "running" or (worker is not None and step.worker != worker):
        raise ClaimLost()
    if worker is None and (step.claim_until is None or step.claim_until >= now):
        raise ClaimLost()
    order_id, task_id, ids = step.task.order_id, step.task_id, ids_of(step)
    attempt = step.attempt  # the one that ends here: the UPDATE below raises the row's, in this session too
    raise_version(session, order_id)
    # A beat may come between our look and the UPDATE, so the UPDATE asks again.
    still = Step.worker == worker if worker is not None else Step.claim_until < now
    crashes = step.crashes + (1 if crashed else 0)
    detail: dict[str, Any] = {"worker": step.worker, "crashes": crashes, "crashed": crashed}
    if crashes >= CRASHES_UNTIL_POISON or step.claims >= CLAIMS_UNTIL_POISON:
        change_task(session, task_id, "running", status="failed", kind="poison", reason=reason, finished_at=now)
        change_step(
            session,
            "S7",
            step_id,
            attempt,
            "running",
            still,
            status="failed",
            kind="poison",
            worker=None,
            crashes=crashes,
            claim_until=None,
            finished_at=now,
        )
        detail |= {"kind": "poison", "outcome": calls.end_open_call(session, step_id, now)}
    else:
        waits = crashed and crashes >= CRASHES_UNTIL_POISON - 1
        change_step(
            session,
            "S7",
            step_id,
            attempt,
            "running",
            still,
            status="retrying" if waits else "queued",
            attempt=attempt + 1,
            crashes=crashes,
            worker=None,
            claim_until=None,
            not_before=now + timedelta(seconds=crash_wait_s) if waits else None,
            queued_at=now,
            kind="crash" if crashed else step.kind,
        )
        if not waits:
            outbox_of(session).due.append((step.resource, step_id, attempt + 1))
    record(
        session,
        now,
        "S7",
        order_id=order_id,
        task_id=task_id,
        step_id=step_id,
        attempt=attempt,
        actor=actor,
        detail=detail,
    )
    return ids | {key: detail[key] for key in ("crashes", "kind") if key in detail}


def list_due_retries(session: Session) -> list[int]:
    """Steps whose wait between two attempts is over."""
    now = now_of(session)
    return list(session.scalars(select(Step.id).where(Step.status == "retrying", Step.not_before <= now)))


def requeue_step(session: Session, step_id: int, *, actor: str) -> dict[str, Any]:
    """S8: the wait is over."""
    now = now_of(session)
    step = _load(session, step_id)
    if step.status != "retrying" or step.not_before is None or step.not_before > now:
        raise ClaimLost()
    raise_version(session, step.task.order_id)
    change_step(session, "S8", step_id, step.attempt, "retrying", status="queued", queued_at=now)
    outbox_of(session).due.append((step.resource, step_id, step.attempt))
    _record(session, now, "S8", step, actor)
    return ids_of(step)


def revive_task(session: Session, task_id: int, *, actor: str, deadline_s: float) -> None:
    """S9: a failed task is tried again from its failed step, with fresh counters. Raises Conflict unless it failed."""
    now = now_of(session)
    task = session.get_one(Task, task_id)
    raise_version(session, task.order_id)
    session.refresh(task)
    step = next((step for step in task.steps if step.status == "failed"), None)
    if task.status != "failed" or step is None:
        raise Conflict("Only a failed task can be tried again.")
    attempt = step.attempt + 1
    change_task(
        session,
        task_id,
        "failed",
        status="running",
        kind=None,
        reason=None,
        finished_at=None,
        deadline_at=now + timedelta(seconds=deadline_s),
        promised_low_at=None,
        promised_high_at=None,
    )
    change_step(
        session,
        "S9",
        step.id,
        step.attempt,
        "failed",
        status="queued",
        attempt=attempt,
        failures=0,
        crashes=0,
        claims=0,
        kind=None,
        detail=None,
        not_before=None,
        worker=None,
        finished_at=None,
        queued_at=now,
    )
    outbox_of(session).due.append((step.resource, step.id, attempt))
    _record(session, now, "S9", step, actor)


def list_past_deadline(session: Session) -> list[int]:
    """Open tasks whose deadline has passed."""
    now = now_of(session)
    return list(session.scalars(select(Task.id).where(Task.status.in_(OPEN_TASK), Task.deadline_at < now)))


def expire_task(session: Session, task_id: int, *, actor: str, reason: str) -> dict[str, Any]:
    """S10: the task has waited too long."""
    now = now_of(session)
    task = session.get_one(Task, task_id)
    if task.status not in OPEN_TASK or task.deadline_at >= now:
        raise ClaimLost()
    step = next((step for step in task.steps if step.status in OPEN_STEP), None)
    if step is None:
        raise ClaimLost()
    raise_version(session, task.order_id)
    change_task(session, task_id, task.status, status="failed", kind="deadline", reason=reason, finished_at=now)
    change_step(
        session,
        "S10",
        step.id,
        step.attempt,
        step.status,
        status="failed",
        kind="deadline",
        claim_until=None,
        finished_at=now,
    )
    outcome = calls.end_open_call(session, step.id, now)
    _record(session, now, "S10", step, actor, {"outcome": outcome} if outcome else None)
    return ids_of(step)


def cancel_task(session: Session, task_id: int, *, actor: str) -> bool:
    """S11: nobody wants the task any more. False when it had ended already."""
    now = now_of(session)
    task = session.get_one(Task, task_id)
    raise_version(session, task.order_id)
    session.refresh(task)
    if task.status not in OPEN_TASK:
        return False
    change_task(session, task_id, task.status, status="canceled", finished_at=now)
    for step in task.steps:
        session.refresh(step)
        if step.status not in OPEN_STEP:
            continue
        change_step(
            session, "S11", step.id, step.attempt, step.status, status="canceled", claim_until=None, finished_at=now
        )
        outcome = calls.end_open_call(session, step.id, now)
        _record(session, now, "S11", step, actor, {"outcome": outcome} if outcome else None)
    return True


def ids_of(step: Step) -> dict[str, Any]:
    """By which ids a log line names a step."""
    return {
        "task_id": step.task.task_id,
        "order_id": step.task.order.order_id,
        "step_id": step.id,
        "attempt": step.attempt,
        "resource": step.resource,
    }


def _load(session: Session, step_id: int) -> Step:
    step = session.get(Step, step_id)
    if step is None:
        raise ClaimLost()
    return step


def _record(
    session: Session, now: datetime, move: str, step: Step, actor: str, detail: dict[str, Any] | None = None
) -> None:
    record(
        session,
        now,
        move,
        order_id=step.task.order_id,
        task_id=step.task_id,
        step_id=step.id,
        attempt=step.attempt,
        actor=actor,
        detail=detail,
    )
