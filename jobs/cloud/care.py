"""Looking after calls at providers from outside of any step: what nobody waits for any more is stopped and closed.

A call is closing when its step has ended while the provider may still be at work. Where the provider can be asked
about it, the work is taken back, and the call is closed when the provider says that it has ended. Anything else, and
what has not ended by then, is closed as unknown after the time for which that provider may be silent.

Runs in a thread of the reconciler, since providers may hang. Two at once are harmless: both ask, one closes.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.cloud.provider import Done, NotThere, Provider, Unheard
from jobs.cloud.providers import make_providers
from jobs.database import Database, now_of
from jobs.errors.steps import StepError
from jobs.orders import calls
from jobs.orders.models import Call, Recipe, Step, Task
from jobs.settings import Settings

log = logging.getLogger(__name__)

RESOURCE = "api"
ASK_SECONDS = 5.0
ACTOR = "reconciler"


@dataclass(frozen=True)
class ClosingCall:
    """A call whose step has ended, `closing_s` seconds ago."""

    id: int
    provider: str | None
    model: str
    remote_id: str | None
    closing_s: float


class CallCare:
    """The care of all providers' calls; looks after them from one thread at a time."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._providers = make_providers(settings)
        self._longest_silence_s = max(provider.silence_s for provider in self._providers.values())
        self._gap_s = settings.lookup_gap_s
        self._canceled: set[int] = set()
        self._missing_since: dict[int, float] = {}

    def look_after(self) -> None:
        """One round: stop what runs for nobody; close what has ended, or cannot be told. Raises DatabaseAway."""
        closing = self._database.read(list_closing)
        self._forget_others({call.id for call in closing})
        silent: set[str | None] = set()
        for call in closing:
            provider = self._providers.get(call.provider or "")
            outcome = None
            if provider is not None and call.provider not in silent and can_ask(provider, call):
                try:
                    outcome = "stopped" if self._has_ended(provider, call) else None
                except Unheard as exc:
                    silent.add(call.provider)  # the others of this round would wait for it in vain
                    log.info("a provider does not answer", extra={"provider": call.provider, "error": str(exc)})
                except Exception:  # a provider's defect must not keep the slots of the calls behind this one
                    log.exception("a closing call could not be asked about", extra={"provider": call.provider})
            silence_s = provider.silence_s if provider is not None else self._longest_silence_s
            if outcome is None and call.closing_s > silence_s:
                outcome = "unknown"
            if outcome is not None and self._database.write(close_call, call.id, outcome):
                log.info("a closing call is closed", extra={"provider": call.provider, "outcome": outcome})

    def _has_ended(self, provider: Provider, call: ClosingCall) -> bool:
        """Take the work back once, and ask whether it is over. Raises Unheard when the provider does not answer."""
        remote_id = call.remote_id or ""
        if call.id not in self._canceled:
            try:
                provider.cancel(call.model, remote_id, ASK_SECONDS)
                self._canceled.add(call.id)
            except Unheard:
                log.info("a closing call was not taken back", extra={"provider": call.provider})
        try:
            found = provider.poll(call.model, remote_id, ASK_SECONDS)
        except NotThere:  # believed when it is said again a while later: a call may take a moment to be seen (C3)
            since = self._missing_since.setdefault(call.id, time.monotonic())
            return time.monotonic() - since >= self._gap_s
        except StepError:
            return True
        self._missing_since.pop(call.id, None)
        return isinstance(found, Done)

    def _forget_others(self, ids: set[int]) -> None:
        self._canceled &= ids
        for call_id in self._missing_since.keys() - ids:
            del self._missing_since[call_id]


def can_ask(provider: Provider, call: ClosingCall) -> bool:
    """Does the provider know this call by an id, and can it be asked?"""
    return provider.can_look_up and provider.is_configured() and bool(call.remote_id)


def list_closing(session: Session) -> list[ClosingCall]:
    """The closing calls at providers, oldest first."""
    now = now_of(session)
    rows = session.execute(
        select(Call.id, Call.provider, Call.remote_id, Call.closing_at, Step.position, Recipe.document)
        .join(Step, Step.id == Call.step_id)
        .join(Task, Task.id == Step.task_id)
        .join(Recipe, Recipe.id == Task.recipe_id)
        .where(Call.state == "closing", Call.resource == RESOURCE)
        .order_by(Call.id)
    )
    return [
        ClosingCall(
            id=call_id,
            provider=provider,
            model=document["steps"][position].get("model", ""),
            remote_id=remote_id,
            closing_s=(now - closing_at).total_seconds() if closing_at else 0.0,
        )
        for call_id, provider, remote_id, closing_at, position, document in rows
    ]


def close_call(session: Session, call_id: int, outcome: str) -> bool:
    """Close a call whose work outside is over, or of which nobody can tell. False when it was closed already."""
    return calls.close_alone(session, call_id, now_of(session), outcome=outcome, actor=ACTOR)
