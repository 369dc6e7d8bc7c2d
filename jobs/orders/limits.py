"""How many calls of a resource may be in flight: what an operator set, never more than the settings allow.

A limit that is lowered ends nothing: what is in flight goes on, and nothing new begins until there is room below it.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from jobs.database import outbox_of
from jobs.errors import Conflict
from jobs.orders import calls
from jobs.orders.models import ResourceLimit


def read_limit(session: Session, resource: str, most: int) -> int:
    """The limit of this moment. `most`: what the settings allow."""
    chosen = session.scalar(select(ResourceLimit.calls).where(ResourceLimit.resource == resource))
    return most if chosen is None else min(chosen, most)


def read_limits(session: Session, most: Mapping[str, int]) -> dict[str, int]:
    """The limits of these resources. `most`: what the settings allow each."""
    chosen = {row.resource: row.calls for row in session.scalars(select(ResourceLimit))}
    return {name: min(chosen.get(name, allowed), allowed) for name, allowed in most.items()}


def set_limit(session: Session, resource: str, limit: int, most: int) -> int:
    """Set it; returns what it was. At `most` it follows the settings again. Raises Conflict outside of 1 to `most`.

    Once this is committed, no call begins above the new limit: whoever claims waits for the lock, and reads it after.
    """
    if not 1 <= limit <= most:
        raise Conflict(f"The limit must be between 1 and {most}.")
    calls.lock_slots(session, resource)
    before = read_limit(session, resource, most)
    session.execute(delete(ResourceLimit).where(ResourceLimit.resource == resource))
    if limit < most:
        session.add(ResourceLimit(resource=resource, calls=limit))
    outbox_of(session).room.add(resource)
    return before
