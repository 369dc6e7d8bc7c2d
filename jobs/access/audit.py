"""The audit: what operators did. Written in the same transaction as what they did."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs.access.models import AuditEntry
from jobs.database import now_of

LONGEST_SUBJECT = 100


def note(session: Session, actor: str, action: str, subject: str, **detail: Any) -> None:
    """Add one line: who did what to which subject (`task:<id>`, `order:<id>`, `booth:<name>`, `server:<url>`, …)."""
    session.add(AuditEntry(at=now_of(session), actor=actor, action=action, subject=subject, detail=detail))


def server_subject(url: str) -> str:
    """A server as a subject: its address, as much of it as the column holds."""
    return f"server:{url}"[:LONGEST_SUBJECT]


def forget_details(session: Session, subjects: list[str]) -> None:
    """Of subjects that are erased only who did what, and when, is kept."""
    session.execute(update(AuditEntry).where(AuditEntry.subject.in_(subjects)).values(detail={}))


def list_for(session: Session, *subjects: str) -> list[AuditEntry]:
    """What was done to these subjects, oldest first."""
    return list(session.scalars(select(AuditEntry).where(AuditEntry.subject.in_(subjects)).order_by(AuditEntry.id)))
