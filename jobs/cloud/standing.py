"""How each cloud provider stands: what booths, operators and /metrics are shown of the brake and of the money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.cloud import brake
from jobs.cloud.models import Brake
from jobs.cloud.provider import Provider
from jobs.database import now_of
from jobs.orders import calls
from jobs.orders.models import Call, Pause, Step, Task
from jobs.orders.pauses import list_paused
from jobs.settings import Settings
from jobs.settings.providers import WITHOUT_SETTINGS

UNKNOWN_SHOWN = 100


@dataclass(frozen=True)
class Standing:
    """One provider now."""

    name: str
    configured: bool
    limit: int
    allowed: int
    """Calls that may be in flight now; below the limit while it is tried again after a pause."""
    busy: int
    pause: Pause | None
    seconds_left: float | None
    """Until the pause ends by itself; None without a pause, or when somebody must end it."""
    budget: float | None
    """What a day may cost."""


@dataclass(frozen=True)
class UnknownCall:
    """A paid call of which nobody can tell what became: to be checked against the bill."""

    provider: str
    task_id: str
    remote_id: str | None
    sent_at: datetime | None
    price: float | None


def list_standings(session: Session, providers: Mapping[str, Provider], settings: Settings) -> list[Standing]:
    """Every provider in the order of their names, but those that work inside the farm: nothing of them is braked."""
    now = now_of(session)
    paused = list_paused(session, now)
    brakes = {row.provider: row for row in session.scalars(select(Brake))}
    load: dict[str, int] = {}
    for (name, _), count in calls.load_by_place(session, "api").items():
        load[name or ""] = load.get(name or "", 0) + count
    standings = []
    for name, provider in sorted(providers.items()):
        if name in WITHOUT_SETTINGS:
            continue
        row = brakes.get(name)
        pause = paused.get(brake.scope_of(name))
        left = (pause.until - now).total_seconds() if pause is not None and pause.until is not None else None
        budget = row.budget if row is not None and row.budget is not None else settings.provider(name).budget
        standings.append(
            Standing(
                name=name,
                configured=provider.is_configured(),
                limit=provider.limit,
                allowed=provider.limit if row is None or row.allowed is None else min(row.allowed, provider.limit),
                busy=load.get(name, 0),
                pause=pause,
                seconds_left=left,
                budget=budget,
            )
        )
    return standings


def list_unknown(session: Session) -> list[UnknownCall]:
    """Calls with unknown outcome, the newest first."""
    rows = session.execute(
        select(Call.provider, Task.task_id, Call.remote_id, Call.sent_at, Call.price)
        .join(Step, Step.id == Call.step_id)
        .join(Task, Task.id == Step.task_id)
        .where(Call.resource == "api", Call.outcome == "unknown")
        .order_by(Call.id.desc())
        .limit(UNKNOWN_SHOWN)
    )
    return [
        UnknownCall(provider or "", task_id, remote, sent_at, price)
        for provider, task_id, remote, sent_at, price in rows
    ]
