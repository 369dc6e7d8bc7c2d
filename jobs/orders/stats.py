"""Figures of the whole farm: /queue and /stats. Totals come from the database, so restarts do not touch them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.database import now_of
from jobs.orders import book, calls
from jobs.orders.models import Step
from jobs.orders.pauses import list_paused
from jobs.orders.states import ENDED_TASK


def read_counts(session: Session, resources: tuple[str, ...]) -> dict[str, Any]:
    """Everything that the database knows: tasks by status, waits, and for each resource what waits and is in flight."""
    by_status = book.count_by_status(session)
    waits = book.recent_waits(session)
    paused = list_paused(session, now_of(session))
    return {
        "by_status": by_status,
        "waits": waits,
        "last_finished_at": book.last_finished_at(session),
        "intake_paused": "intake" in paused,
        "resources": {
            name: {
                "queued": session.scalar(
                    select(func.count())
                    .select_from(Step)
                    .where(Step.resource == name, Step.status.in_(("queued", "retrying")))
                )
                or 0,
                "in_flight": calls.count_in_flight(session, name),
                "paused_until": _show_pause(paused.get(f"resource:{name}")),
            }
            for name in resources
        },
    }


def total_ended(by_status: dict[str, int]) -> int:
    """Tasks that have come to their end, failed and canceled ones included."""
    return sum(count for status, count in by_status.items() if status in ENDED_TASK)


def percentile(ascending: list[float], share: float) -> float | None:
    """The value that `share` of the sorted values do not exceed; None without values."""
    if not ascending:
        return None
    return round(ascending[min(int(len(ascending) * share), len(ascending) - 1)], 2)


def show_moment(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None


def _show_pause(pause: Any) -> str | None:
    if pause is None:
        return None
    return show_moment(pause.until) or "further notice"
