"""The audit: what operators did. Written in the same transaction as what they did."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs.access.models import AuditEntry
from jobs.database import now_of

LONGEST_SUBJECT = 100
PAGE = 50


def note(session: Session, actor: str, action: str, subject: str, **detail: Any) -> None:
    """Add one line: who did what to which subject (`task:<id>`, `order:<id>`, `booth:<name>`, `server:<url>`, …)."""
    session.add(AuditEntry(at=now_of(session), actor=actor, action=action, subject=subject, detail=detail))


def server_subject(url: str) -> str:
    """A server as a subject: its address, as much of it as the column holds."""
    return f"server:{url}"[:LONGEST_SUBJECT]


def forget_details(session: Session, subjects: list[str]) -> None:
    """Of subjects that are erased only who did what, and when, is kept."""
    session.execute(update(AuditEntry).where(AuditEntry.subject.in_(subjects)).values(detail={}))


def list_recent(session: Session, since: datetime, most: int = 20) -> list[AuditEntry]:
    """What was done since then, newest first."""
    query = select(AuditEntry).where(AuditEntry.at >= since).order_by(AuditEntry.id.desc()).limit(most)
    return list(session.scalars(query))


def list_page(
    session: Session, *, actor: str = "", action: str = "", subject: str = "", before: int | None = None
) -> tuple[list[AuditEntry], int | None]:
    """A page of what was done, newest first, and the id to go on before. `subject`: a part of it; empty words choose
    nothing.
    """
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(PAGE + 1)
    if actor:
        query = query.where(AuditEntry.actor == actor)
    if action:
        query = query.where(AuditEntry.action == action)
    if subject:
        query = query.where(AuditEntry.subject.icontains(subject, autoescape=True))
    if before is not None:
        query = query.where(AuditEntry.id < before)
    entries = list(session.scalars(query))
    return entries[:PAGE], entries[PAGE - 1].id if len(entries) > PAGE else None


def list_choices(session: Session) -> tuple[list[str], list[str]]:
    """Who ever pressed something, and what was ever pressed."""
    return (
        list(session.scalars(select(AuditEntry.actor).distinct().order_by(AuditEntry.actor))),
        list(session.scalars(select(AuditEntry.action).distinct().order_by(AuditEntry.action))),
    )


def list_for(session: Session, *subjects: str) -> list[AuditEntry]:
    """What was done to these subjects, oldest first."""
    return list(session.scalars(select(AuditEntry).where(AuditEntry.subject.in_(subjects)).order_by(AuditEntry.id)))
