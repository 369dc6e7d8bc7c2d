"""Changing over to another rung of a step's ladder: S5 when an attempt ended, S12 while the step waits.

Both raise the attempt, so that whoever held the step before can write nothing more, and forget the failures: they were
another's. Which rung, and why, is decided in engine/ladder.py.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, exists
from sqlalchemy.orm import Session

from jobs.database import now_of, outbox_of
from jobs.errors import ClaimLost
from jobs.orders.events import raise_version, record
from jobs.orders.models import Call, Event, Step
from jobs.orders.moves import Held, change_step, end_attempt
from jobs.orders.repairs import ids_of
from jobs.styles.ladder import Reason, Rung


def leave_rung(
    session: Session, held: Held, call_id: int, rung: Rung, why: Reason, *, kind: str, detail: str, outcome: str
) -> None:
    """S5 instead of S6: the attempt is over, and the next one is made on `rung`. S8 rings for it on its resource."""
    step = session.get_one(Step, held.step_id)
    end_attempt(
        session,
        held,
        call_id,
        kind=kind,
        detail=detail,
        wait_s=0.0,
        outcome=outcome,
        told=_tell(step, rung, why),
        failures=0,
        **_columns(rung, why),
    )


def change_over(session: Session, step_id: int, *, attempt: int, rung: Rung, why: Reason, actor: str) -> dict[str, Any]:
    """S12: a step that waits and has nothing under way outside goes on waiting on `rung`. Returns ids for the log.

    Raises ClaimLost when it was claimed, canceled or changed over meanwhile.
    """
    now = now_of(session)
    step = session.get(Step, step_id)
    if step is None:
        raise ClaimLost()
    raise_version(session, step.task.order_id)
    told, ids = _tell(step, rung, why), ids_of(step)
    nothing_outside = ~exists().where(Call.step_id == step_id, Call.state == "open")
    change_step(
        session,
        "S12",
        step_id,
        attempt,
        "queued",
        nothing_outside,
        status="queued",
        attempt=attempt + 1,
        failures=0,
        claims=0,
        not_before=None,
        queued_at=now,
        **_columns(rung, why),
    )
    outbox_of(session).due.append((rung.resource, step_id, attempt + 1))
    record(
        session,
        now,
        "S12",
        order_id=step.task.order_id,
        task_id=step.task_id,
        step_id=step_id,
        attempt=attempt,
        actor=actor,
        detail=told,
    )
    return ids | told


def is_change_over(event: type[Event] = Event) -> ColumnElement[bool]:
    """The condition that an event tells of a change of rung."""
    told: ColumnElement[bool] = event.detail["rung"].as_integer().is_not(None)
    return told


def name_way(resource: str, provider: str | None) -> str:
    """`api/openai`, `comfyui`: as events name where a step was and where it went."""
    return f"{resource}/{provider}" if provider else resource


def read_way(name: str) -> tuple[str, str | None]:
    """The resource and provider that `name_way` named."""
    resource, _, provider = name.partition("/")
    return resource, provider or None


def _columns(rung: Rung, why: Reason) -> dict[str, Any]:
    return {
        "rung": rung.number,
        "rung_why": why,
        "resource": rung.resource,
        "provider": rung.provider,
        "timeout_s": rung.timeout_s,
    }


def _tell(step: Step, rung: Rung, why: Reason) -> dict[str, Any]:
    """What the event says of a change. `rung` in an event's detail is what marks it as one."""
    return {
        "why": why,
        "rung": rung.number,
        "from": name_way(step.resource, step.provider),
        "to": name_way(rung.resource, rung.provider),
    }
