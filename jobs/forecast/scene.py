"""The farm as it stands at one moment, put into the lines and places that the simulation plays. Reads the database.

Live workers are not counted: that would be a question to Redis inside a transaction, and a pool replaces a worker that
died within a second.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from jobs.cloud.brake import read_allowed
from jobs.cloud.provider import Provider
from jobs.comfyui.servers import Abilities, ServerState, list_states
from jobs.database import now_of
from jobs.engine.ladder import Ladder, Problem
from jobs.forecast.durations import Durations
from jobs.forecast.simulation import Leg, Line
from jobs.orders.limits import read_limits
from jobs.orders.models import Recipe
from jobs.orders.pauses import list_paused, scopes_of
from jobs.orders.pending import OpenStep, Way, list_open_steps, list_samples
from jobs.resources import RESOURCES
from jobs.settings import Settings
from jobs.styles.ladder import document_of
from jobs.styles.shelf import Style

RAMP_SECONDS = 10.0
"""After a pause a provider gets one more call with each success: about so far apart."""
SERVERS = "servers"


@dataclass(frozen=True)
class Sources:
    """The farm's parts that a scene is read from."""

    settings: Settings
    providers: Mapping[str, Provider]
    ladder: Ladder
    abilities: Abilities


@dataclass(frozen=True)
class Scene:
    """What waits and runs, and the places there are. `newest`: the row id of the newest task in it."""

    at: datetime
    lines: tuple[Line, ...]
    places: Mapping[str, Sequence[float]]
    newest: int
    reading: Reading

    def extended(self, session: Session) -> Scene:
        """With the tasks that were accepted since, behind all others but before the shadows."""
        now, steps = now_of(session), list_open_steps(session, after=self.newest)
        since = (now - self.at).total_seconds()
        before = (line.not_before(since) if line.shadow else line for line in self.lines)
        lines = (*before, *self.reading.queue_up(session, steps, now))
        newest = max((step.task_id for step in steps), default=self.newest)
        return replace(self, lines=lines, newest=newest)


def read_scene(session: Session, sources: Sources, styles: Iterable[Style]) -> Scene:
    """All of it, with a shadow for a new order of each style that can be had. The number of statements is always the
    same, but for recipes and catalogs that this process sees for the first time.
    """
    now = now_of(session)
    reading = Reading(
        now=now,
        abilities=sources.abilities,
        servers=list_states(session),
        paused={
            scope: (row.until - now).total_seconds() if row.until else math.inf
            for scope, row in list_paused(session, now).items()
        },
        durations=Durations(list_samples(session)),
    )
    reading.set_out(sources, read_allowed(session), read_limits(session, sources.settings.limits))
    steps = list_open_steps(session)
    lines = reading.queue_up(session, steps, now)
    shadows = reading.line_up_shadows(session, sources.ladder, styles)
    newest = max((step.task_id for step in steps), default=0)
    return Scene(now, (*shadows, *lines), reading.places, newest, reading)


@dataclass
class Reading:
    """What lines are made with: everything that is the same for all of them."""

    now: datetime
    abilities: Abilities
    servers: Sequence[ServerState]
    paused: Mapping[str, float]
    """Scope -> seconds until its pause is over; infinite without an end."""
    durations: Durations
    places: dict[str, Sequence[float]] = field(default_factory=dict)
    _known_bounds: dict[tuple[str, Way], tuple[str, ...] | None] = field(default_factory=dict)

    def set_out(self, sources: Sources, allowed: Mapping[str, int], limits: Mapping[str, int]) -> None:
        """The places of resources, of servers and of providers."""
        for name, limit in limits.items():
            left = self.paused.get(f"resource:{name}", 0.0)
            self.places[f"resource:{name}"] = [left] * limit
        self.places[SERVERS] = [0.0] * sum(state.usable for state in self.servers)
        for name, provider in sources.providers.items():
            left = self.paused.get(f"provider:{name}", 0.0)
            at_once = min(allowed.get(name, provider.limit), provider.limit) if provider.is_configured() else 0
            later = range(1, provider.limit - at_once + 1) if at_once else ()
            self.places[f"provider:{name}"] = [left] * at_once + [left + RAMP_SECONDS * number for number in later]

    def queue_up(self, session: Session, steps: Iterable[OpenStep], now: datetime) -> list[Line]:
        """The lines of open tasks. `now`: new ones cannot start before."""
        legs: dict[int, list[Leg]] = {}
        working: set[str] = set()
        for step in steps:
            legs.setdefault(step.task_id, []).append(self._leg(session, step, now, working))
        return [Line(task_id, tuple(own)) for task_id, own in legs.items()]

    def line_up_shadows(self, session: Session, ladder: Ladder, styles: Iterable[Style]) -> list[Line]:
        """A new order of each style, on the rungs on which it would begin now."""
        look, lines = ladder.look(session), []
        for style in styles:
            choices = look.choose(style.recipe, style.recipe_id) if style.recipe else None
            if style.recipe is None or choices is None or isinstance(choices, Problem):
                continue
            legs = []
            for position, choice in enumerate(choices):
                rung = choice.rung
                way = Way(style.name, position, rung.number, rung.resource, rung.provider)
                step = OpenStep(way, 0, style.recipe_id, rung.timeout_s, "queued", None, None, None)
                legs.append(self._leg(session, step, self.now, set(), style.recipe))
            lines.append(Line(style.name, tuple(legs), shadow=True))
        return lines

    def _leg(
        self,
        session: Session,
        step: OpenStep,
        now: datetime,
        working: set[str],
        recipe: dict[str, Any] | None = None,
    ) -> Leg:
        way, lasts = step.way, self.durations.of(step.way, step.timeout_s)
        bounds = self._bounds(session, step, recipe)
        if step.status == "running" and step.opened_at is not None and self._is_at_work(step, working):
            ran = max((self.now - step.opened_at).total_seconds(), 0.0)
            return Leg((f"resource:{way.resource}", *(bounds or ())[1:]), lasts, ran=ran)
        ready = max(step.not_before or now, now)
        scopes = scopes_of(way.resource, way.provider, way.style, way.position, way.rung)
        own = [left for scope, left in self.paused.items() if scope in scopes and scope.startswith(("style:", "path:"))]
        wait = max([(ready - self.now).total_seconds(), *own])
        return Leg(None if wait == math.inf else bounds, lasts, ready=wait)

    def _is_at_work(self, step: OpenStep, working: set[str]) -> bool:
        """A server makes one picture at a time, and one that was set aside makes none: such a step waits still."""
        if step.server is None:
            return True
        state = next((state for state in self.servers if state.url == step.server), None)
        if state is None or not (state.usable or state.drained) or step.server in working:
            return False
        working.add(step.server)
        return True

    def _bounds(self, session: Session, step: OpenStep, recipe: dict[str, Any] | None) -> tuple[str, ...] | None:
        """Where the step needs a place; None when nothing can make it as things stand."""
        if not RESOURCES[step.way.resource].has_servers:
            return (f"resource:{step.way.resource}", f"provider:{step.way.provider}")
        key = (step.recipe_id, step.way)
        if key not in self._known_bounds:
            self._known_bounds[key] = self._find_servers(session, step, recipe)
        return self._known_bounds[key]

    def _find_servers(self, session: Session, step: OpenStep, recipe: dict[str, Any] | None) -> tuple[str, ...] | None:
        resource, able = f"resource:{step.way.resource}", self._list_able(session, step, recipe)
        if not able:
            return None
        if len(able) == len(self.places[SERVERS]):
            return (resource, SERVERS)
        some = f"{SERVERS}:{' '.join(able)}"
        self.places.setdefault(some, [0.0] * len(able))
        return (resource, SERVERS, some)

    def _list_able(self, session: Session, step: OpenStep, recipe: dict[str, Any] | None) -> list[str]:
        def read_step() -> dict[str, Any]:
            document = recipe or session.get_one(Recipe, step.recipe_id).document
            return document_of(document, step.way.position, step.way.rung)

        return [
            state.url
            for state in self.servers
            if state.usable
            and not self.abilities.missing(
                session, state.catalog_id, step.recipe_id, step.way.position, step.way.rung, read_step
            )
        ]
