"""Counting what happened: figures that only grow, exact over many processes and restarts, cheap in a full database.

Every move leaves an event in its own transaction, so the events are the truth. The reconciler folds them into the table
`tallies`, batch by batch, and moves a position on; whoever asks adds what lies behind the position, folded by the same
function, in one snapshot. So nothing is counted twice or forgotten, and events may be deleted once they are counted.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, TextClause, case, false, func, null, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, aliased

from jobs.database import advisory_lock, now_of
from jobs.orders.models import Event, Step, Tally, TallyPosition, Task
from jobs.orders.promises import judge
from jobs.orders.rungs import is_change_over, read_way

TALLY_LOCK = 0x6661726D03
BATCH = 1_000
TAIL_LIMIT = 20_000
"""Events behind the position that a question folds by itself; beyond, counting has fallen behind."""
RECONCILER = "reconciler"
WAIT_BUCKETS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
WORK_BUCKETS = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0)

Counts = dict[tuple[str, tuple[str, ...]], float]
"""(name of the figure, values of its labels) -> how much."""


@dataclass(frozen=True)
class Counted:
    """An event with what never changes again of its task and step; resource and provider are those of its moment."""

    id: int
    at: datetime
    move: str
    actor: str
    detail: dict[str, Any]
    task_id: int | None
    style: str | None
    created_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    promised_low_at: datetime | None
    promised_high_at: datetime | None
    position: int | None
    resource: str | None
    provider: str | None
    claimed_at: datetime | None
    ends_canceled: bool


@dataclass(frozen=True)
class Tallies:
    """All figures at one moment. `behind`: events that are not rolled up; too many, and the figures are not whole."""

    counts: Counts
    is_whole: bool
    behind: int
    rolled_at: datetime | None


def fold(events: Iterable[Counted]) -> Counts:
    """What these events add to the figures. Pure: each event by itself, so that they may be cut anywhere."""
    counts: Counts = defaultdict(float)
    for event in events:
        style, resource = event.style or "", event.resource or ""
        if event.move in ("S5", "S12") and "rung" in event.detail:
            counts["fallbacks", (style, str(event.detail["why"]))] += 1
        if event.actor == RECONCILER and event.move in ("S7", "S8", "S10"):
            counts["repairs", (event.move,)] += 1
        if event.move == "accepted" and event.task_id is not None:
            counts["accepted", (style,)] += 1
        elif event.move == "S2":
            if event.at == event.started_at and event.created_at:
                _observe(counts, "wait_seconds", (style,), event.at, event.created_at, WAIT_BUCKETS)
        elif event.move == "S4":
            labels = (style, str(event.position), resource)
            if event.claimed_at:
                _observe(counts, "step_seconds", labels, event.at, event.claimed_at, WORK_BUCKETS)
            if event.at == event.finished_at and event.created_at:
                _observe(counts, "task_seconds", (style,), event.at, event.created_at, WORK_BUCKETS)
                counts["ended", (style, "succeeded", "")] += 1
                _judge_promise(counts, event)
        elif event.move == "S5" and "rung" not in event.detail:
            counts["retries", (resource, str(event.detail.get("kind", "")))] += 1
        elif event.move == "S7" and event.detail.get("crashed"):
            counts["crashes", (resource,)] += 1
        elif event.move == "S9":
            counts["revived", (style,)] += 1
        elif event.move == "S11" and event.ends_canceled:
            counts["ended", (style, "canceled", "")] += 1
        if event.move in ("S6", "S10") or (event.move == "S7" and event.detail.get("kind")):
            counts["ended", (style, "failed", "deadline" if event.move == "S10" else str(event.detail["kind"]))] += 1
        if outcome := "succeeded" if event.move == "S4" else event.detail.get("outcome"):
            counts["calls", (resource, event.provider or "", str(outcome))] += 1
        if event.detail.get("cost"):
            counts["cost", (event.provider or "",)] += float(event.detail["cost"])
    return counts


def roll_up(session: Session, extra: Counts | None = None) -> bool:
    """Count the next batch into the tallies, and `extra` with it. Returns whether more of them is waiting.

    One transaction's worth of work: two at once wait for each other, and neither counts what the other did.
    """
    advisory_lock(session, TALLY_LOCK)
    position = session.get(TallyPosition, 1)
    if position is None:
        position = TallyPosition(id=1, event_id=0, noted_event_id=0, noted_transaction=0)
        session.add(position)
        session.flush()
    before = position.event_id
    settled = _find_settled(session, position)
    events = _load(session, before, settled, BATCH)
    has_more = len(events) == BATCH
    after = events[-1].id if has_more else max(settled, before)
    noted = {} if has_more or session.get_bind().dialect.name == "sqlite" else _note_stretch(session)
    moved = session.execute(
        update(TallyPosition)
        .where(TallyPosition.id == 1, TallyPosition.event_id == before)
        .values(event_id=after, rolled_at=now_of(session), **noted)
    )
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        raise RuntimeError("the tallies' position moved under their lock")
    add(session, fold(events))
    add(session, extra or {})
    return has_more


def read_tallies(session: Session) -> Tallies:
    """All figures as of now. Must be the transaction's first question: position, tallies and events need one snapshot.

    With more than TAIL_LIMIT events behind the position they are not whole: the first rounds after an upgrade.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    position = session.get(TallyPosition, 1)
    start = position.event_id if position else 0
    newest = session.scalar(select(func.max(Event.id))) or 0
    counts: Counts = defaultdict(float)
    for name, labels, value in session.execute(select(Tally.name, Tally.labels, Tally.value)):
        counts[name, tuple(json.loads(labels))] += value
    is_whole = newest - start <= TAIL_LIMIT
    if is_whole:
        for key, value in fold(_load(session, start, newest, TAIL_LIMIT)).items():
            counts[key] += value
    return Tallies(counts, is_whole, max(newest - start, 0), position.rolled_at if position else None)


def total(counts: Counts, name: str, *labels: str | None) -> float:
    """The sum of one figure over all values of the labels that are None or left out."""
    return sum(
        value
        for (figure, values), value in counts.items()
        if figure == name and all(want is None or want == has for want, has in zip(labels, values, strict=False))
    )


def _judge_promise(counts: Counts, event: Counted) -> None:
    """Of a task that has just succeeded: did its picture come when it was promised?"""
    if event.promised_low_at is None or event.promised_high_at is None:
        return
    outcome, missed_by = judge(event.promised_low_at, event.promised_high_at, event.at)
    labels = (event.style or "", outcome)
    counts["promises", labels] += 1
    if missed_by:
        counts["promises_missed_seconds", labels] += missed_by


def _observe(
    counts: Counts, name: str, labels: tuple[str, ...], until: datetime, since: datetime, bounds: tuple[float, ...]
) -> None:
    seconds = max((until - since).total_seconds(), 0.0)
    bound = next((str(bound) for bound in bounds if seconds <= bound), "+Inf")
    counts[f"{name}_bucket", (*labels, bound)] += 1
    counts[f"{name}_sum", labels] += seconds


def _find_settled(session: Session, position: TallyPosition) -> int:
    """Up to which event nothing can appear any more.

    SQLite writes one transaction at a time. PostgreSQL hands out ids before the commit: a slow transaction may still
    bring an event with a low id. So a stretch is noted, and counted once every transaction of that moment has ended.
    """
    if session.get_bind().dialect.name == "sqlite":
        return session.scalar(select(func.max(Event.id))) or 0
    oldest_open: int = session.execute(_snapshot("xmin")).scalar_one()
    return position.noted_event_id if oldest_open >= position.noted_transaction else position.event_id


def _note_stretch(session: Session) -> dict[str, int]:
    """Where the events end now, and the first transaction that has not begun. In this order: every event up to that
    one is there, or its transaction's number is lower.
    """
    newest = session.scalar(select(func.max(Event.id))) or 0
    return {"noted_event_id": newest, "noted_transaction": session.execute(_snapshot("xmax")).scalar_one()}


def _snapshot(bound: str) -> TextClause:
    return text(f"SELECT pg_snapshot_{bound}(pg_current_snapshot())::text::bigint")


def _select_events() -> Select[Any]:
    earlier, later = aliased(Step), aliased(Event)
    next_change = (
        select(later.detail["from"].as_string())
        .where(
            later.task_id == Event.task_id, later.step_id == Event.step_id, later.id >= Event.id, is_change_over(later)
        )
        .order_by(later.id)
        .limit(1)
    )
    canceled_before = (
        select(earlier.id)
        .where(earlier.task_id == Event.task_id, earlier.position < Step.position, earlier.finished_at == Event.at)
        .exists()
    )
    return (
        select(
            Event.id,
            Event.at,
            Event.move,
            Event.actor,
            Event.detail,
            Event.task_id,
            Task.style,
            Task.created_at,
            Task.started_at,
            Task.finished_at,
            Task.promised_low_at,
            Task.promised_high_at,
            Step.position,
            Step.resource,
            Step.provider,
            Step.claimed_at,
            # A canceled task leaves an event for each open step; the first of them counts.
            case((Event.move == "S11", ~canceled_before), else_=false()),
            # Where the step was: the next change of rung says where from; without one it is there still.
            case((Step.rung > 0, next_change.scalar_subquery()), else_=null()),
        )
        .outerjoin(Task, Task.id == Event.task_id)
        .outerjoin(Step, Step.id == Event.step_id)
        .order_by(Event.id)
    )


def _load(session: Session, after: int, until: int, limit: int) -> list[Counted]:
    if until <= after:
        return []
    rows = session.execute(_select_events().where(Event.id > after, Event.id <= until).limit(limit))
    return [_read(*row) for row in rows]


def _read(*columns: Any) -> Counted:
    *own, was_at = columns
    event = Counted(*own)
    if was_at is None:
        return event
    resource, provider = read_way(was_at)
    return replace(event, resource=resource, provider=provider)


def add(session: Session, counts: Counts) -> None:
    """Add to the stored figures. The caller holds the tallies' position."""
    if not counts:
        return
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(Tally)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["name", "labels"], set_={"value": Tally.value + statement.excluded.value}
        ),
        [
            {"name": name, "labels": json.dumps(labels, ensure_ascii=False), "value": float(value)}
            for (name, labels), value in sorted(counts.items())
        ],
    )
