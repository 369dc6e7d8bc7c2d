"""Which rung of a step's ladder may be taken now, and which waiting steps should change over.

A step goes down its ladder and never up: to the first later alternative that names the reason, can be made, and is
neither switched off nor paused for long. What finds none waits or fails as a step without alternatives does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.cloud.brake import scope_of
from jobs.cloud.provider import Provider
from jobs.comfyui.servers import Abilities, ServerState, list_states
from jobs.database import now_of
from jobs.engine.retries import Decision
from jobs.errors.steps import NotConfigured, WorkflowRejected
from jobs.orders import rungs
from jobs.orders.models import Call, Recipe, Step, Task
from jobs.orders.moves import Held
from jobs.orders.pauses import list_paused, path_scope
from jobs.styles.ladder import Choice, Reason, Rung, document_of, rungs_of

UNAVAILABLE = frozenset({"unavailable", "execution_failed", "bad_answer"})
"""Kinds of failure that say: not this way. `outcome_unknown` is none of them: it may have been paid for."""


@dataclass(frozen=True)
class Change:
    """A waiting step, and the rung that it should go to."""

    step_id: int
    attempt: int
    rung: Rung
    why: Reason


@dataclass(frozen=True)
class Problem:
    """Why a rung cannot be made: as a reason for alternatives, and in words."""

    reason: Reason
    words: str


@dataclass(frozen=True)
class Known:
    """What is kept of a recipe, which never changes under its id: its style and the ladder of each step."""

    style: str
    ladders: tuple[tuple[Rung, ...], ...]


@dataclass(frozen=True)
class Ladder:
    """Asks the parts that a rung needs. `pause_s`: a pause with more than this left is not waited for."""

    abilities: Abilities
    providers: Mapping[str, Provider]
    pause_s: float
    known: dict[str, Known] = field(default_factory=dict)

    def look(self, session: Session) -> Look:
        """The rungs as they stand now."""
        return Look(self, session)

    def list_changes(self, session: Session) -> list[Change]:
        """Steps that wait on a rung which is paused for long, switched off, or too slow to keep the promise."""
        rows = session.execute(
            select(
                Step.id,
                Step.attempt,
                Step.position,
                Step.rung,
                Task.recipe_id,
                Task.created_at,
            )
            .join(Task, Task.id == Step.task_id)
            .outerjoin(Call, (Call.step_id == Step.id) & (Call.state == "open"))
            .where(Step.status == "queued", Call.id.is_(None))  # what has an open call has begun: it is adopted
            .order_by(Step.task_id, Step.position)
        ).all()
        look, changes = self.look(session), []
        for row in rows:
            known = look.know(row.recipe_id)
            ladder = known.ladders[row.position]
            if len(ladder) <= row.rung + 1:
                continue
            held_back = look.is_held_back(known.style, row.position, ladder[row.rung])
            reasons: tuple[Reason, ...] = ("paused", "slow") if held_back else ("slow",)
            for why in reasons:
                rung = look.find(row.recipe_id, row.position, row.rung, why, row.created_at)
                if rung is not None:
                    changes.append(Change(row.id, row.attempt, rung, why))
                    break
        return changes

    def leave(
        self, session: Session, held: Held, call_id: int, why: Reason, *, kind: str, detail: str, outcome: str
    ) -> Rung | None:
        """S5 of an attempt that would fail its task, where an alternative is there for it; None when there is none.

        Raises ClaimLost.
        """
        step = session.get_one(Step, held.step_id)
        task = step.task
        rung = self.look(session).find(task.recipe_id, step.position, step.rung, why, task.created_at)
        if rung is not None:
            rungs.leave_rung(session, held, call_id, rung, why, kind=kind, detail=detail, outcome=outcome)
        return rung


def reason_of(error: Exception, decision: Decision) -> Reason | None:
    """For which reason an alternative may take over from an attempt that ended so; None: for none."""
    if decision.retry:
        return None
    if decision.kind == "content_refused":
        return "refused"
    if decision.kind in UNAVAILABLE or isinstance(error, NotConfigured | WorkflowRejected):
        return "unavailable"
    return None


class Look:
    """All rungs at one moment, within one transaction."""

    def __init__(self, ladder: Ladder, session: Session) -> None:
        self._ladder = ladder
        self._session = session
        self._recipes: dict[str, dict[str, Any]] = {}
        self._now = now_of(session)
        paused = list_paused(session, self._now)
        until = self._now + timedelta(seconds=ladder.pause_s)
        self.switched_off = frozenset(scope for scope, row in paused.items() if row.until is None)
        """Scopes that are paused without an end."""
        self._paused = frozenset(scope for scope, row in paused.items() if row.until is None or row.until > until)

    def choose(self, recipe: dict[str, Any], recipe_id: str) -> list[Choice] | Problem:
        """On which rung each step of a new task begins; the problem of a step that none can be made of."""
        self._recipes[recipe_id] = recipe  # it may not be stored yet
        choices = []
        for position, ladder in enumerate(self.know(recipe_id).ladders):
            problem = self.problem_of(recipe_id, position, ladder[0])
            if problem is None:
                choices.append(Choice(ladder[0], None))
                continue
            rung = self.find(recipe_id, position, 0, problem.reason, self._now)
            if rung is None:
                return problem
            choices.append(Choice(rung, problem.reason))
        return choices

    def find(self, recipe_id: str, position: int, rung: int, why: Reason, accepted_at: datetime) -> Rung | None:
        """The first rung below this one that is meant for the reason and can be made now."""
        known = self.know(recipe_id)
        waited_s = (self._now - accepted_at).total_seconds()
        for below in known.ladders[position][rung + 1 :]:
            if (
                below.is_meant_for(why, waited_s)
                and not self.is_held_back(known.style, position, below)
                and self.problem_of(recipe_id, position, below) is None
            ):
                return below
        return None

    def is_held_back(self, style: str, position: int, rung: Rung) -> bool:
        """Is this way switched off, or what it needs paused for longer than is waited?"""
        scopes = {f"resource:{rung.resource}", path_scope(style, position, rung.number)}
        if rung.provider:
            scopes.add(scope_of(rung.provider))
        return bool(scopes & self._paused)

    def problem_of(self, recipe_id: str, position: int, rung: Rung) -> Problem | None:
        """What keeps this rung from being made at all. A server that is away, or a pause, only makes it wait."""
        if path_scope(self.know(recipe_id).style, position, rung.number) in self.switched_off:
            return Problem("paused", "switched off by an operator")
        words = (
            self._miss_provider(rung.provider)
            if rung.resource == "api"
            else self._miss_server(recipe_id, position, rung.number)
        )
        return Problem("unavailable", words) if words else None

    def know(self, recipe_id: str) -> Known:
        """A recipe's style and ladders."""
        known = self._ladder.known.get(recipe_id)
        if known is None:
            document = self._read_recipe(recipe_id)
            known = Known(document["style"], tuple(rungs_of(step) for step in document["steps"]))
            self._ladder.known[recipe_id] = known
        return known

    def _read_recipe(self, recipe_id: str) -> dict[str, Any]:
        return self._recipes.get(recipe_id) or self._session.get_one(Recipe, recipe_id).document

    @cached_property
    def _states(self) -> Sequence[ServerState]:
        return list_states(self._session)

    def _miss_provider(self, name: str | None) -> str:
        provider = self._ladder.providers.get(name or "")
        if provider is None:
            return f"there is no provider {name}"
        return "" if provider.is_configured() else f"the provider {name} has no key"

    def _miss_server(self, recipe_id: str, position: int, rung: int) -> str:
        missing = [
            self._ladder.abilities.missing(
                self._session,
                state.catalog_id,
                recipe_id,
                position,
                rung,
                lambda: document_of(self._read_recipe(recipe_id), position, rung),
            )
            for state in self._states
        ]
        if not missing:
            return "no ComfyUI server is configured"
        return "no ComfyUI server has " + ", ".join(sorted(missing, key=len)[0]) if all(missing) else ""
