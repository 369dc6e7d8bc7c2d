"""Figures of the whole farm: /queue and /stats. Totals come from the database, so restarts do not touch them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.database import now_of
from jobs.orders import book, calls
from jobs.orders.limits import read_limits
from jobs.orders.models import Step, TallyPosition
from jobs.orders.pauses import INTAKE, list_paused, resource_scope
from jobs.orders.states import ENDED_TASK
from jobs.orders.tallies import read_tallies, total


def read_counts(session: Session, most: Mapping[str, int]) -> dict[str, Any]:
    """What the database knows of the present: open tasks, waits, and for each resource what waits and is in flight.

    `most`: for each resource, how many calls the settings allow.
    """
    waits = book.recent_waits(session)
    limits = read_limits(session, most)
    paused = list_paused(session, now_of(session))
    return {
        "open": book.count_open(session),
        "waits": waits,
        "intake_paused_until": show_pause(paused.get(INTAKE)),
        "resources": {
            name: {
                "queued": _count_waiting(session, name),
                "in_flight": calls.count_in_flight(session, name),
                "limit": limits[name],
                "paused_until": show_pause(paused.get(resource_scope(name))),
            }
            for name in most
        },
    }


@dataclass(frozen=True)
class Present:
    """The present for /metrics: open tasks by status, how long the first of them has waited, pauses, calls in flight by
    resource and place (a server or a provider), limits, waiting steps by resource, seconds since the reconciler last
    counted.
    """

    open: dict[str, int]
    oldest_wait_s: float
    paused: tuple[str, ...]
    load: dict[str, dict[str, int]]
    limits: dict[str, int]
    waiting: dict[str, int]
    reconciler_age_s: float | None


def read_present(session: Session, most: Mapping[str, int]) -> Present:
    """As of now, by the database's clock. `most`: for each resource, how many calls the settings allow."""
    now = now_of(session)
    oldest = book.oldest_queued_at(session)
    rolled_at = session.scalar(select(TallyPosition.rolled_at))
    load: dict[str, dict[str, int]] = {}
    for name in most:
        load[name] = {}
        for (provider, server), count in calls.load_by_place(session, name).items():
            place = server or provider or ""
            load[name][place] = load[name].get(place, 0) + count
    return Present(
        open=book.count_open(session),
        oldest_wait_s=max((now - oldest).total_seconds(), 0.0) if oldest else 0.0,
        paused=tuple(sorted(list_paused(session, now))),
        load=load,
        limits=read_limits(session, most),
        waiting={name: _count_waiting(session, name) for name in most},
        reconciler_age_s=max((now - rolled_at).total_seconds(), 0.0) if rolled_at else None,
    )


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
    if not tallies.is_whole:
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


def _count_waiting(session: Session, resource: str) -> int:
    query = select(func.count()).select_from(Step).where(Step.resource == resource)
    return session.scalar(query.where(Step.status.in_(("queued", "retrying")))) or 0


def show_pause(pause: Any) -> str | None:
    """Until when: a moment, or “further notice”; None without a pause."""
    if pause is None:
        return None
    return show_moment(pause.until) or "further notice"
