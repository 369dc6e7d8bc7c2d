"""The brake: when a provider may be called, for all workers on all machines.

A pause keeps every new call back: asked for by the provider (rate), by its account (quota, account), by its failures
(breaker), or because a day's budget is spent. After it one call goes first, and each success allows one more at once.
A refused photo is an answer like any other and says nothing against the provider.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.cloud.models import Brake
from jobs.cloud.money import Spending, spent_today
from jobs.database import now_of, outbox_of
from jobs.errors.steps import (
    AccountRefused,
    Away,
    Braked,
    Busy,
    OutcomeUnknown,
    OverBudget,
    QuotaExhausted,
    Transient,
)
from jobs.orders import calls
from jobs.orders.calls import OpenCall
from jobs.orders.pauses import find_pause, pause, resume
from jobs.orders.work import Terms
from jobs.settings import Settings

FIRST_ALLOWED = 1
BREAKER_FAILURES = 5
BREAKER_WINDOW_SECONDS = 60.0
COUNTED = (Transient, Away, OutcomeUnknown)
"""What speaks against a provider's health."""


def scope_of(provider: str) -> str:
    """What a pause of the provider is called."""
    return f"provider:{provider}"


def read_allowed(session: Session) -> dict[str, int]:
    """How many calls may be in flight at providers that are being tried again."""
    rows = session.execute(select(Brake.provider, Brake.allowed).where(Brake.allowed.is_not(None)))
    return {provider: allowed for provider, allowed in rows if allowed is not None}


def note_success(session: Session, provider: str, limit: int) -> None:
    """It answered as it should: the breaker forgets, and one more call may go at once."""
    brake = session.get(Brake, provider)
    if brake is None or (brake.allowed is None and not brake.failures):
        return
    brake.failures, brake.failed_since = 0, None
    if brake.allowed is not None:
        brake.allowed = brake.allowed + 1 if brake.allowed + 1 < limit else None
        outbox_of(session).room.add("api")


def note_error(session: Session, provider: str, error: Exception, wait_s: float, settings: Settings) -> None:
    """What an attempt's error means for everybody else. `wait_s`: how long a busy provider asks to be left alone."""
    if isinstance(error, OverBudget):
        _stop(session, provider, "budget", str(error), _seconds_to_midnight(now_of(session)))
    elif isinstance(error, QuotaExhausted):
        _stop(session, provider, "quota", str(error), settings.brake_quota_s)
    elif isinstance(error, AccountRefused):
        _stop(session, provider, "account", str(error), settings.brake_account_s)
    elif isinstance(error, Busy):
        _stop(session, provider, "rate", str(error), min(wait_s, settings.brake_rate_s))
    elif isinstance(error, COUNTED):
        _count_failure(session, provider, settings.brake_breaker_s)


def mark_sent(session: Session, step_id: int, attempt: int, call: OpenCall, terms: Terms) -> OpenCall:
    """As calls.mark_sent, unless the provider was paused since the claim or the day's money is spent.

    Raises ClaimLost, Braked, OverBudget.
    """
    provider = call.provider or ""
    if find_pause(session, scope_of(provider)) is not None:
        raise Braked()
    check_budget(session, provider, terms.price, terms.budget)
    return calls.mark_sent(session, step_id, attempt, call, terms.price)


def check_budget(session: Session, provider: str, price: float | None, budget: float | None) -> None:
    """Raise OverBudget when one more call of this price goes past the day's budget. `budget`: by the settings."""
    brake = session.get(Brake, provider)
    allowed = brake.budget if brake is not None and brake.budget is not None else budget
    if allowed is not None and spent_today(session).get(provider, Spending()).total + (price or 0.0) > allowed:
        raise OverBudget(detail=f"budget {allowed:g}")


def set_budget(session: Session, provider: str, budget: float | None) -> None:
    """An operator's word on the day's budget; a pause for the old one's sake ends."""
    _brake(session, provider).budget = budget
    row = find_pause(session, scope_of(provider))
    if row is not None and row.kind == "budget":
        resume(session, scope_of(provider))
        outbox_of(session).room.add("api")


def stop(session: Session, provider: str, actor: str) -> None:
    """An operator pauses it until somebody resumes it."""
    _stop(session, provider, "operator", f"Paused by {actor}.", None, actor=actor)


def _stop(
    session: Session, provider: str, kind: str, why: str, seconds: float | None, *, actor: str | None = None
) -> None:
    pause(session, scope_of(provider), why, seconds, kind=kind, actor=actor)
    brake = _brake(session, provider)
    brake.allowed, brake.failures, brake.failed_since = FIRST_ALLOWED, 0, None


def _count_failure(session: Session, provider: str, breaker_s: float) -> None:
    now = now_of(session)
    brake = _brake(session, provider)
    if brake.failed_since is None or brake.failed_since < now - timedelta(seconds=BREAKER_WINDOW_SECONDS):
        brake.failures, brake.failed_since = 0, now
    brake.failures += 1
    is_probe = brake.allowed == FIRST_ALLOWED
    if is_probe or brake.failures >= BREAKER_FAILURES:
        _stop(session, provider, "breaker", "It failed again and again.", breaker_s)


def _brake(session: Session, provider: str) -> Brake:
    brake = session.get(Brake, provider)
    if brake is None:
        brake = Brake(provider=provider, failures=0)
        session.add(brake)
        session.flush()
    return brake


def _seconds_to_midnight(now: datetime) -> float:
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (tomorrow - now).total_seconds()
