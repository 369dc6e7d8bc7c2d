"""Pauses: nothing of a scope starts until then. Rows, so that a wiped Redis forgets none.

Scopes are `resource:<name>`, `provider:<name>`, `style:<name>`, `path:<style>:<position>:<rung>` and `intake`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from jobs.database import now_of
from jobs.orders.models import Pause


def style_scope(style: str) -> str:
    """What a pause of a whole style is called."""
    return f"style:{style}"


def path_scope(style: str, position: int, rung: int) -> str:
    """What a pause of one way to make a style's step is called."""
    return f"path:{style}:{position}:{rung}"


def scopes_of(resource: str, provider: str | None, style: str, position: int, rung: int) -> set[str]:
    """All scopes whose pause keeps a step on this rung back."""
    return {
        resource_scope(resource),
        f"provider:{provider}",
        style_scope(style),
        path_scope(style, position, rung),
    }


INTAKE = "intake"
"""No orders are taken. What was taken is made."""


def resource_scope(resource: str) -> str:
    """What a pause of a resource is called."""
    return f"resource:{resource}"


def pause(
    session: Session,
    scope: str,
    why: str,
    seconds: float | None = None,
    *,
    kind: str = "operator",
    actor: str | None = None,
) -> None:
    """Pause a scope for so long, or until `resume`. A longer pause that is on stays; one that is over does not."""
    now = now_of(session)
    until = None if seconds is None else now + timedelta(seconds=seconds)
    row = session.get(Pause, scope)
    if row is None:
        session.add(Pause(scope=scope, since=now, until=until, why=why[:300], kind=kind, actor=actor))
    elif row.until is not None and (until is None or until > row.until):
        if row.until <= now:
            row.since = now
        row.until, row.why, row.kind, row.actor = until, why[:300], kind, actor


def pause_anew(session: Session, scope: str, why: str, seconds: float | None, *, actor: str) -> None:
    """An operator's pause: it takes the place of any that is on, a longer one too."""
    resume(session, scope)
    pause(session, scope, why, seconds, actor=actor)


def find_pause(session: Session, scope: str) -> Pause | None:
    """The pause of a scope that is on."""
    row = session.get(Pause, scope)
    return row if row is not None and (row.until is None or row.until > now_of(session)) else None


def resume(session: Session, scope: str) -> None:
    """End a pause."""
    session.execute(delete(Pause).where(Pause.scope == scope))


def list_paused(session: Session, now: datetime) -> dict[str, Pause]:
    """The pauses that are on."""
    return {row.scope: row for row in session.scalars(select(Pause)) if row.until is None or row.until > now}


def list_present(session: Session) -> dict[str, Pause]:
    """The pauses that are on at this moment, by scope."""
    return list_paused(session, now_of(session))


def drop_ended(session: Session) -> list[str]:
    """Remove pauses that are over; returns their scopes."""
    now = now_of(session)
    ended = [row for row in session.scalars(select(Pause)) if row.until is not None and row.until <= now]
    for row in ended:
        session.delete(row)
    return [row.scope for row in ended]
