"""The journal of calls to the outside. Its open and closing rows are the slots of a resource; nothing else counts them.

A call is `open` (adopted by the next attempt of its step), `closing` (its step has ended, the work outside may not
have) or `closed` with an outcome: succeeded, failed, rejected, unsent, lost, unknown, stopped.
"""

from __future__ import annotations

import uuid
import zlib
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session

from jobs.database import advisory_lock, now_of, outbox_of
from jobs.errors import ClaimLost
from jobs.orders.events import record
from jobs.orders.models import Call, Step, Task


@dataclass(frozen=True)
class OpenCall:
    """What a worker needs to know of the open call of its step."""

    id: int
    call_no: int
    resource: str
    provider: str | None
    server: str | None
    external_id: str
    remote_id: str | None
    sent_at: datetime | None
    opened_at: datetime


def lock_slots(session: Session, resource: str) -> None:
    """One transaction at a time past here may open calls of a resource, or change what bounds them."""
    advisory_lock(session, zlib.crc32(f"claim:{resource}".encode()))


def count_in_flight(session: Session, resource: str) -> int:
    """Calls of a resource that hold a slot."""
    return (
        session.scalar(
            select(func.count()).select_from(Call).where(Call.resource == resource, Call.state.in_(("open", "closing")))
        )
        or 0
    )


def load_by_place(session: Session, resource: str) -> dict[tuple[str | None, str | None], int]:
    """(provider, server) -> calls of a resource that hold a slot there."""
    rows = session.execute(
        select(Call.provider, Call.server, func.count())
        .where(Call.resource == resource, Call.state.in_(("open", "closing")))
        .group_by(Call.provider, Call.server)
    )
    return {(provider, server): count for provider, server, count in rows}


def open_call(
    session: Session, step: Step, attempt: int, now: datetime, *, provider: str | None, server: str | None
) -> OpenCall:
    """Write down a new call of a step, before anything is sent. Its id at ComfyUI is our own new UUID."""
    last = session.scalar(select(func.max(Call.call_no)).where(Call.step_id == step.id)) or 0
    call = Call(
        step_id=step.id,
        call_no=last + 1,
        attempt=attempt,
        resource=step.resource,
        provider=provider,
        server=server,
        external_id=str(uuid.uuid4()),
        state="open",
        opened_at=now,
    )
    session.add(call)
    session.flush()
    return as_open_call(call)


def as_open_call(call: Call) -> OpenCall:
    """The row as a value that outlives its session."""
    return OpenCall(
        id=call.id,
        call_no=call.call_no,
        resource=call.resource,
        provider=call.provider,
        server=call.server,
        external_id=call.external_id,
        remote_id=call.remote_id,
        sent_at=call.sent_at,
        opened_at=call.opened_at,
    )


def mark_sent(session: Session, step_id: int, attempt: int, call: OpenCall, price: float | None = None) -> OpenCall:
    """Take the right to send the call: the step must still be ours and nobody may have sent it. Raises ClaimLost.

    `price`: what it will cost, as far as anybody knows.
    """
    now = now_of(session)
    mine = exists().where(Step.id == step_id, Step.attempt == attempt, Step.status == "running")
    result = session.execute(
        update(Call)
        .where(Call.id == call.id, Call.state == "open", Call.sent_at.is_(None), mine)
        .values(sent_at=now, price=price)
    )
    if result.rowcount != 1:  # type: ignore[attr-defined]
        raise ClaimLost()
    return replace(call, sent_at=now)


def set_remote_id(session: Session, call_id: int, remote_id: str) -> None:
    """Keep the provider's own id of a call, before anything else is done with its answer."""
    session.execute(update(Call).where(Call.id == call_id).values(remote_id=remote_id[:200]))


def count_unknown(session: Session, step_id: int) -> int:
    """Calls of a step whose outcome nobody can tell."""
    query = select(func.count()).select_from(Call).where(Call.step_id == step_id, Call.outcome == "unknown")
    return session.scalar(query) or 0


def replace_call(session: Session, step_id: int, attempt: int, call: OpenCall, *, outcome: str) -> OpenCall:
    """Close a call that never came to be, or of which nobody can tell, and open its successor at the same place.

    Raises ClaimLost.
    """
    now = now_of(session)
    step = session.scalar(
        select(Step).where(Step.id == step_id, Step.attempt == attempt, Step.status == "running").with_for_update()
    )
    if step is None:
        raise ClaimLost()
    if not close_alone(session, call.id, now, outcome=outcome, actor=step.worker or ""):
        raise ClaimLost()
    return open_call(session, step, attempt, now, provider=call.provider, server=call.server)


def close(session: Session, call_id: int, now: datetime, *, outcome: str, cost: float | None = None) -> bool:
    """Close a call and free its slot, as a part of a move whose event tells the outcome. False when it was closed."""
    resource = session.scalar(select(Call.resource).where(Call.id == call_id))
    result = session.execute(
        update(Call)
        .where(Call.id == call_id, Call.state.in_(("open", "closing")))
        .values(state="closed", outcome=outcome, closed_at=now, cost=cost)
    )
    if resource is not None:
        outbox_of(session).room.add(resource)
    return bool(result.rowcount == 1)  # type: ignore[attr-defined]


def close_alone(session: Session, call_id: int, now: datetime, *, outcome: str, actor: str) -> bool:
    """Close a call outside of any move of its step, with an event of its own. False when it was closed already."""
    if not close(session, call_id, now, outcome=outcome):
        return False
    call = session.execute(
        select(Task.order_id, Step.task_id, Call.step_id, Call.attempt)
        .join(Step, Step.id == Call.step_id)
        .join(Task, Task.id == Step.task_id)
        .where(Call.id == call_id)
    ).one()
    record(
        session,
        now,
        "call",
        order_id=call.order_id,
        task_id=call.task_id,
        step_id=call.step_id,
        attempt=call.attempt,
        actor=actor,
        detail={"outcome": outcome},
    )
    return True


def end_open_call(session: Session, step_id: int, now: datetime) -> str | None:
    """The step ends while its call is open: an unsent one is closed, of a sent one the work outside must be stopped.

    Returns the outcome if the call is closed: the move's event tells it. Closing the unsent one at once is safe:
    `mark_sent` asks for an open call of a running step. It may be sent between our look and the UPDATE, so that asks.
    """
    call = session.execute(
        select(Call.id, Call.resource).where(Call.step_id == step_id, Call.state == "open")
    ).one_or_none()
    if call is None:
        return None
    unsent = session.execute(
        update(Call)
        .where(Call.id == call.id, Call.state == "open", Call.sent_at.is_(None))
        .values(state="closed", outcome="unsent", closed_at=now)
    )
    if unsent.rowcount == 1:  # type: ignore[attr-defined]
        outbox_of(session).room.add(call.resource)
        return "unsent"
    session.execute(
        update(Call).where(Call.id == call.id, Call.state == "open").values(state="closing", closing_at=now)
    )
    outbox_of(session).closing = True
    return None


def list_closing(session: Session, resource: str) -> list[Call]:
    """Calls whose work outside must be stopped."""
    return list(
        session.scalars(select(Call).where(Call.state == "closing", Call.resource == resource).order_by(Call.id))
    )
