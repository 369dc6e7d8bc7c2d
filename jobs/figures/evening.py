"""The figures of an evening: what was made, how long it took, what failed, what it cost, in slices of time.

Read in one transaction of three statements; everything else is arithmetic.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from jobs.cloud.money import Spending, spent_since
from jobs.database import Database, now_of
from jobs.orders import history, promises
from jobs.orders.history import TaskTimes
from jobs.orders.stats import percentile

DAY_BEGINS = 6
"""The hour of the venue's clock from which today counts: an evening may end after midnight."""


@dataclass(frozen=True)
class Span:
    """How far back, None: since today began; and how long a slice is."""

    seconds: float | None
    slice_s: int


SPANS = {
    "1h": Span(3_600.0, 300),
    "6h": Span(21_600.0, 900),
    "today": Span(None, 1_800),
    "24h": Span(86_400.0, 3_600),
    "7d": Span(604_800.0, 21_600),
}


@dataclass(frozen=True)
class Usual:
    """Of so many values, in seconds, what half and nine tenths of them did not exceed; None without any."""

    count: int
    p50: float | None
    p90: float | None


@dataclass(frozen=True)
class Promised:
    """Pictures whose promise was kept, those that came earlier, those that came later."""

    kept: int
    early: int
    late: int


@dataclass(frozen=True)
class Evening:
    """Lists by slice are as long as `starts`; the others are sorted by name."""

    since: datetime
    until: datetime
    slice_s: int
    starts: list[datetime]
    made: list[int]
    waits: list[Usual]
    """From acceptance to the picture."""
    queue: list[int]
    """Tasks that had not begun at the end of the slice."""
    promised: list[Promised]
    durations: dict[str, Usual]
    """By style: from the start to the picture."""
    failed: dict[str, int]
    """By kind."""
    cost: dict[str, Spending]
    """By provider."""


def read_evening(database: Database, span: Span, zone: ZoneInfo | None) -> Evening:
    """The figures up to this moment. Raises DatabaseAway."""
    return database.read(_read, span, zone)


def _read(session: Session, span: Span, zone: ZoneInfo | None) -> Evening:
    now = now_of(session)
    since = start_of(span, now, zone)
    return fold(
        history.list_ended(session, since), history.list_waiting(session), spent_since(session, since), since, now, span
    )


def start_of(span: Span, now: datetime, zone: ZoneInfo | None) -> datetime:
    """Where the first slice begins: on a round moment of the venue's clock."""
    local = now.astimezone(zone)
    if span.seconds is None:
        today = local.replace(hour=DAY_BEGINS, minute=0, second=0, microsecond=0)
        return today if today <= local else today - timedelta(days=1)
    first = local - timedelta(seconds=span.seconds)
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(seconds=(first - midnight).total_seconds() // span.slice_s * span.slice_s)


def fold(
    ended: Sequence[TaskTimes],
    waiting: Sequence[TaskTimes],
    cost: dict[str, Spending],
    since: datetime,
    until: datetime,
    span: Span,
) -> Evening:
    """Tasks that ended since then and those that are open, in slices. Pure."""
    slices = max(int((until - since).total_seconds() // span.slice_s) + 1, 1)
    starts = [since + timedelta(seconds=span.slice_s * number) for number in range(slices)]
    waits: list[list[float]] = [[] for _ in starts]
    outcomes: list[Counter[str]] = [Counter() for _ in starts]
    durations: dict[str, list[float]] = defaultdict(list)
    for task in ended:
        if task.status != "succeeded" or task.finished_at is None:
            continue
        number = min(int((task.finished_at - since).total_seconds() // span.slice_s), slices - 1)
        waits[number].append((task.finished_at - task.accepted_at).total_seconds())
        if task.started_at is not None:
            durations[task.style].append((task.finished_at - task.started_at).total_seconds())
        if task.promised_low_at is not None and task.promised_high_at is not None:
            outcomes[number][promises.judge(task.promised_low_at, task.promised_high_at, task.finished_at)[0]] += 1
    return Evening(
        since=since,
        until=until,
        slice_s=span.slice_s,
        starts=starts,
        made=[len(seconds) for seconds in waits],
        waits=[_usual(seconds) for seconds in waits],
        queue=_count_waiting([*ended, *waiting], [*starts[1:], until]),
        promised=[Promised(one["kept"], one["early"], one["late"]) for one in outcomes],
        durations={style: _usual(seconds) for style, seconds in sorted(durations.items())},
        failed=dict(sorted(Counter(task.kind or "" for task in ended if task.status == "failed").items())),
        cost=cost,
    )


def _usual(seconds: list[float]) -> Usual:
    ascending = sorted(seconds)
    return Usual(len(ascending), percentile(ascending, 0.5), percentile(ascending, 0.9))


def _count_waiting(tasks: Sequence[TaskTimes], moments: Sequence[datetime]) -> list[int]:
    """How many of the tasks were waiting for their start at each of these moments, which ascend."""
    changes: list[tuple[datetime, int]] = []
    for task in tasks:
        changes.append((task.accepted_at, 1))
        if (left := task.started_at or task.finished_at) is not None:
            changes.append((left, -1))
    changes.sort()
    counts, waiting, position = [], 0, 0
    for moment in moments:
        while position < len(changes) and changes[position][0] <= moment:
            waiting += changes[position][1]
            position += 1
        counts.append(max(waiting, 0))
    return counts
