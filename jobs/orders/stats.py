"""Figures of the whole farm: /queue and /stats. Totals come from the database, so restarts do not touch them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.database import now_of
from jobs.orders import book, calls
from jobs.orders.models import Step
from jobs.orders.pauses import list_paused
from jobs.orders.states import ENDED_TASK
from jobs.orders.tallies import TAIL_LIMIT, read_tallies, total


def read_counts(session: Session, resources: tuple[str, ...]) -> dict[str, Any]:
    """What the database knows of the present: open tasks, waits, and for each resource what waits and is in flight."""
    waits = book.recent_waits(session)
    paused = list_paused(session, now_of(session))
    return {
        "open": book.count_open(session),
        "waits": waits,
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


@dataclass(frozen=True)
class Totals:
    """Tasks ever accepted, those that have ended, the failed ones among them, and when one last ended."""

    submitted: int
    ended: int
    failed: int
    last_finished_at: datetime | None


def read_totals(session: Session) -> Totals:
    """Exact at every moment, whatever retention has taken away. Must be the transaction's first question.

    A failed task that is tried again counts as neither ended nor failed until it ends once more.
    """
    tallies = read_tallies(session)
    last = book.last_finished_at(session)
    if tallies.behind > TAIL_LIMIT:  # the first rounds after an upgrade: count the tasks themselves
        by_status = book.count_by_status(session)
        ended = sum(count for status, count in by_status.items() if status in ENDED_TASK)
        return Totals(sum(by_status.values()), ended, by_status.get("failed", 0), last)
    revived = total(tallies.counts, "revived")
    return Totals(
        submitted=int(total(tallies.counts, "accepted")),
        ended=int(total(tallies.counts, "ended") - revived),
        failed=int(total(tallies.counts, "ended", None, "failed") - revived),
        last_finished_at=last,
    )


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
