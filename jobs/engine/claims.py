"""Who takes which step next: the one query that decides. Order, fairness, limits, server choice all live here.

A step is due when it is queued, its moment has come, its task's deadline has not, and nothing of it is paused. It has
room below its resource's and provider's limits and, on servers, at a healthy one below its depth that has the
workflow's nodes and models. A step without room never blocks a later one that has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, joinedload

from jobs.cloud.brake import read_allowed
from jobs.comfyui.servers import Abilities, ServerState, list_states
from jobs.database import now_of
from jobs.orders import calls
from jobs.orders.calls import OpenCall
from jobs.orders.limits import read_limit
from jobs.orders.models import Call, Event, Recipe, Step, Task
from jobs.orders.moves import Held, claim_step
from jobs.orders.pauses import list_paused, scopes_of
from jobs.orders.rungs import is_change_over
from jobs.resources import RESOURCES
from jobs.styles.ladder import document_of

FEW_STEPS = 8
RECENT_CALLS = 500
"""How far back the use of servers is looked up. Enough to tell far more servers apart than one farm has."""


@dataclass(frozen=True)
class Limits:
    """What the settings bound one resource by: calls in flight in all, at each provider, and at each server."""

    total: int
    by_provider: dict[str, int]
    depth: int


@dataclass(frozen=True)
class Claim:
    """A claimed step and its open call."""

    held: Held
    call: OpenCall
    adopted: bool


@dataclass(frozen=True)
class Candidate:
    """The step that may run, where a new call would go, and the open call it already has."""

    step_id: int
    server: str | None
    call: OpenCall | None


class Claims:
    """The claiming of one resource's steps."""

    def __init__(self, resource: str, limits: Limits, abilities: Abilities, claim_s: float) -> None:
        self._resource = RESOURCES[resource]
        self._limits = limits
        self._abilities = abilities
        self._claim_s = claim_s

    def look(self, session: Session) -> tuple[bool, bool]:
        """(is anything due, has any of it room). A plain read; only `claim` decides."""
        due, candidate = self._find(session, now_of(session))
        return due, candidate is not None

    def claim(self, session: Session, worker: str) -> Claim | None:
        """S2 for the first due step with room, or with an open call of its own; None when there is none.

        Raises ClaimLost when the step was canceled this instant: look again.
        """
        calls.lock_slots(session, self._resource.name)
        now = now_of(session)
        _, candidate = self._find(session, now)
        if candidate is None:
            return None
        step = session.get_one(Step, candidate.step_id, options=[joinedload(Step.task)])
        held = claim_step(session, step, worker, self._claim_s, now)
        if candidate.call is not None:
            return Claim(held, candidate.call, adopted=True)
        call = calls.open_call(session, step, held.attempt, now, provider=step.provider, server=candidate.server)
        return Claim(held, call, adopted=False)

    def _find(self, session: Session, now: datetime) -> tuple[bool, Candidate | None]:
        name = self._resource.name
        rows = self._list_due(session, now)
        first = next(rows, None)
        if first is None:
            return False, None
        paused = list_paused(session, now)
        allowed = {} if self._resource.has_servers else read_allowed(session)
        load = calls.load_by_place(session, name)
        total = read_limit(session, name, self._limits.total)
        room = total - sum(load.values())
        places = _Places(session, self._limits, self._abilities, load) if self._resource.has_servers else None
        due = False
        for step_id, position, rung, provider, style, recipe_id, call_id in chain((first,), rows):
            if call_id is not None:
                call = calls.as_open_call(session.get_one(Call, call_id))
                return True, Candidate(step_id, call.server, call)
            if scopes_of(name, provider, style, position, rung) & paused.keys():
                continue
            due = True
            if room <= 0:
                continue
            if places is not None:
                server = places.choose(step_id, recipe_id, position, rung)
                if server is not None:
                    return True, Candidate(step_id, server, None)
            else:
                taken = sum(count for (at, _), count in load.items() if at == provider)
                limit = self._limits.by_provider.get(provider or "", total)
                if taken < min(limit, allowed.get(provider or "", limit)):
                    return True, Candidate(step_id, None, None)
        return due, None

    def _list_due(self, session: Session, now: datetime) -> Iterator[Any]:
        """Queued steps whose moment has come, in order. A few first: while there is room, the first is the answer."""
        query = (
            select(Step.id, Step.position, Step.rung, Step.provider, Task.style, Task.recipe_id, Call.id)
            .join(Task, Task.id == Step.task_id)
            .outerjoin(Call, (Call.step_id == Step.id) & (Call.state == "open"))
            .where(
                Step.resource == self._resource.name,
                Step.status == "queued",
                or_(Step.not_before.is_(None), Step.not_before <= now),
                Task.deadline_at > now,
            )
            .order_by(Step.task_id, Step.position)
        )
        few = session.execute(query.limit(FEW_STEPS)).all()
        yield from few
        if len(few) == FEW_STEPS:
            yield from session.execute(query.offset(FEW_STEPS))


class _Places:
    """The servers as they are within one look."""

    def __init__(
        self,
        session: Session,
        limits: Limits,
        abilities: Abilities,
        load: dict[tuple[str | None, str | None], int],
    ) -> None:
        self._session = session
        self._abilities = abilities
        self._load: dict[str, int] = {server: count for (_, server), count in load.items() if server is not None}
        self._free = [
            state for state in list_states(session) if state.usable and self._load.get(state.url, 0) < limits.depth
        ]

    def choose(self, step_id: int, recipe_id: str, position: int, rung: int) -> str | None:
        """The least busy free server that can run the step and has not rejected it."""
        if not self._free:
            return None

        def read_step() -> dict[str, Any]:
            return document_of(self._session.get_one(Recipe, recipe_id).document, position, rung)

        able: list[ServerState] = [
            state
            for state in self._free
            if not self._abilities.missing(self._session, state.catalog_id, recipe_id, position, rung, read_step)
        ]
        if not able:
            return None
        rejected = _list_rejecting(self._session, step_id)
        able = [state for state in able if state.url not in rejected]
        if not able:
            return None
        least = min(self._load.get(state.url, 0) for state in able)
        idlest = [state for state in able if self._load.get(state.url, 0) == least]
        if len(idlest) == 1:
            return idlest[0].url
        # Of equally busy servers the one that was least recently given work, so that all stay warm.
        uses = self._last_uses()
        return min(idlest, key=lambda state: uses.get(state.url, 0)).url

    def _last_uses(self) -> dict[str | None, int]:
        """Server -> its newest call, among the newest calls of all: who is not among them has rested long enough."""
        newest = select(func.max(Call.id)).scalar_subquery()
        rows = self._session.execute(
            select(Call.server, func.max(Call.id)).where(Call.id > newest - RECENT_CALLS).group_by(Call.server)
        )
        return {server: last for server, last in rows}


def has_untried_server(session: Session, abilities: Abilities, step_id: int, server: str | None) -> bool:
    """After `server` rejected a step's workflow: is there another configured one that should be able to run it?

    The rejection of `server` itself is not written down yet: its call is still open.
    """
    step = session.get_one(Step, step_id)
    recipe_id = step.task.recipe_id
    document = document_of(step.task.recipe.document, step.position, step.rung)
    rejected = _list_rejecting(session, step_id) | {server}
    return any(
        state.url not in rejected
        and not abilities.missing(session, state.catalog_id, recipe_id, step.position, step.rung, lambda: document)
        for state in list_states(session)
    )


def _list_rejecting(session: Session, step_id: int) -> set[str | None]:
    """Servers that rejected the step's workflow since it was accepted, revived by a repeated try (S9), or changed over
    to another workflow.
    """
    rejections = session.execute(
        select(Call.server, Call.opened_at).where(Call.step_id == step_id, Call.outcome == "rejected")
    ).all()
    if not rejections:
        return set()
    task_id = session.get_one(Step, step_id).task_id
    anew_at = session.scalar(
        select(func.max(Event.at)).where(
            Event.task_id == task_id, Event.step_id == step_id, or_(Event.move == "S9", is_change_over())
        )
    )
    return {server for server, opened_at in rejections if anew_at is None or opened_at >= anew_at}
