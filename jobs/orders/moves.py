"""The moves of a step that its worker makes, S1 to S6 of states.py. Each is one transaction's worth of work.

Every UPDATE names the attempt and must hit exactly one row. 0 rows raises ClaimLost, which rolls everything back: the
step is no longer this worker's. Rows are locked in one order: order, task, step, call.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from jobs.database import now_of, outbox_of
from jobs.errors import ClaimLost
from jobs.orders import calls
from jobs.orders.events import raise_version, record
from jobs.orders.makers import tell_maker
from jobs.orders.models import Image, Step, Task
from jobs.orders.states import check_step_move, check_task_move


@dataclass(frozen=True)
class Held:
    """Which attempt of which step a worker holds."""

    order_id: int
    task_id: int
    step_id: int
    attempt: int
    worker: str


def change_step(
    session: Session,
    move: str,
    step_id: int,
    attempt: int,
    before: str,
    /,
    *conditions: ColumnElement[bool],
    **values: Any,
) -> None:
    """The one UPDATE through which a step's status changes. Raises ClaimLost when it hits no row."""
    check_step_move(move, before, values.get("status", before))
    result = session.execute(
        update(Step)
        .where(Step.id == step_id, Step.attempt == attempt, Step.status == before, *conditions)
        .values(**values)
    )
    if result.rowcount != 1:  # type: ignore[attr-defined]
        raise ClaimLost()


def change_task(session: Session, task_id: int, before: str, **values: Any) -> None:
    """The one UPDATE through which a task's status changes. Raises ClaimLost when it hits no row."""
    check_task_move(before, values["status"])
    result = session.execute(update(Task).where(Task.id == task_id, Task.status == before).values(**values))
    if result.rowcount != 1:  # type: ignore[attr-defined]
        raise ClaimLost()


def queue_first_step(session: Session, step: Step, now: datetime) -> None:
    """S1 for a step that is accepted as queued: note that somebody should ring for it."""
    step.status, step.attempt, step.queued_at = "queued", 1, now
    session.flush()
    outbox_of(session).due.append((step.resource, step.id, 1))


def claim_step(session: Session, step: Step, worker: str, claim_s: float, now: datetime) -> Held:
    """S2: make the step this worker's until `now + claim_s`. The first step of a task takes the task with it."""
    task = step.task
    raise_version(session, task.order_id)
    if task.status == "queued":
        change_task(session, task.id, "queued", status="running", started_at=now)
    change_step(
        session,
        "S2",
        step.id,
        step.attempt,
        "queued",
        status="running",
        worker=worker,
        claimed_at=now,
        claim_until=now + timedelta(seconds=claim_s),
        claims=Step.claims + 1,
    )
    held = Held(task.order_id, task.id, step.id, step.attempt, worker)
    _record(session, now, "S2", held)
    return held


def beat(session: Session, held: Held, claim_s: float) -> None:
    """S3: hold the claim for another `claim_s` seconds from now."""
    until = now_of(session) + timedelta(seconds=claim_s)
    change_step(session, "S3", held.step_id, held.attempt, "running", claim_until=until)


def finish_step(
    session: Session, held: Held, call_id: int, images: list[dict[str, Any]], cost: float | None = None
) -> bool:
    """S4: the step's pictures become visible; the next step is queued, or the task has succeeded.

    `images`: columns of each picture but those that follow from `held`. Returns whether the task has succeeded.
    """
    now = now_of(session)
    raise_version(session, held.order_id)
    following = session.scalar(
        select(Step).where(Step.task_id == held.task_id, Step.status == "pending").order_by(Step.position).limit(1)
    )
    if following is None:
        change_task(session, held.task_id, "running", status="succeeded", finished_at=now, kind=None, reason=None)
    change_step(
        session,
        "S4",
        held.step_id,
        held.attempt,
        "running",
        status="succeeded",
        kind=None,
        detail=None,
        finished_at=now,
        claim_until=None,
    )
    calls.close(session, call_id, now, outcome="succeeded", cost=cost)
    made_by = tell_maker(session, held.step_id, call_id)
    for image in images:
        session.add(
            Image(
                **image,
                uid=uuid.uuid4().hex,
                task_id=held.task_id,
                step_id=held.step_id,
                attempt=held.attempt,
                final=following is None,
                created_at=now,
                made_by=made_by,
            )
        )
    _record(session, now, "S4", held, images=len(images), **({} if cost is None else {"cost": cost}))
    if following is not None:
        attempt = following.attempt + 1
        change_step(
            session,
            "S1",
            following.id,
            following.attempt,
            "pending",
            status="queued",
            attempt=attempt,
            queued_at=now,
        )
        outbox_of(session).due.append((following.resource, following.id, attempt))
    return following is None


def retry_step(
    session: Session,
    held: Held,
    call_id: int,
    *,
    kind: str,
    detail: str,
    wait_s: float,
    counts: bool,
    outcome: str,
) -> None:
    """S5: this attempt is over, another follows in `wait_s` seconds. Its call is closed with `outcome`."""
    end_attempt(
        session,
        held,
        call_id,
        kind=kind,
        detail=detail,
        wait_s=wait_s,
        outcome=outcome,
        told={"wait_s": round(wait_s, 1)},
        failures=Step.failures + (1 if counts else 0),
    )


def end_attempt(
    session: Session,
    held: Held,
    call_id: int,
    *,
    kind: str,
    detail: str,
    wait_s: float,
    outcome: str,
    told: dict[str, Any],
    **columns: Any,
) -> None:
    """S5, wherever the next attempt is made: `columns` say so of the step, `told` of the event."""
    now = now_of(session)
    raise_version(session, held.order_id)
    change_step(
        session,
        "S5",
        held.step_id,
        held.attempt,
        "running",
        status="retrying",
        attempt=held.attempt + 1,
        not_before=now + timedelta(seconds=wait_s),
        claims=0,
        worker=None,
        claim_until=None,
        kind=kind,
        detail=detail,
        **columns,
    )
    calls.close(session, call_id, now, outcome=outcome)
    _record(session, now, "S5", held, kind=kind, outcome=outcome, **told)


def fail_step(
    session: Session, held: Held, call_id: int, *, kind: str, reason: str, detail: str, outcome: str | None
) -> None:
    """S6: the step has failed for good, and its task with it. `outcome` None: the work outside must be stopped."""
    now = now_of(session)
    raise_version(session, held.order_id)
    change_task(session, held.task_id, "running", status="failed", kind=kind, reason=reason, finished_at=now)
    change_step(
        session,
        "S6",
        held.step_id,
        held.attempt,
        "running",
        status="failed",
        kind=kind,
        detail=detail,
        failures=Step.failures + 1,
        finished_at=now,
        claim_until=None,
    )
    if outcome is None:
        outcome = calls.end_open_call(session, held.step_id, now)
    else:
        calls.close(session, call_id, now, outcome=outcome)
    _record(session, now, "S6", held, kind=kind, outcome=outcome)


def count_queued(session: Session) -> int:
    """Tasks that wait for their first step: the number that QUEUE_LIMIT bounds. Always counted, never kept."""
    return session.scalar(select(func.count()).select_from(Task).where(Task.status == "queued")) or 0


def _record(session: Session, now: datetime, move: str, held: Held, **detail: Any) -> None:
    record(
        session,
        now,
        move,
        order_id=held.order_id,
        task_id=held.task_id,
        step_id=held.step_id,
        attempt=held.attempt,
        actor=held.worker,
        detail=detail,
    )
