"""What operators switch while the farm runs: a cloud provider paused, tried again, given another budget; a way to make
a style's step off or on, or the whole style; servers drained (servers.py); limits, resources and the intake (pools.py);
booths and their keys (booths.py).

Each is a change, its audit, and the waiting workers' being told, in one transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from jobs.access import audit
from jobs.cloud import brake
from jobs.cloud.provider import Provider
from jobs.database import Database, outbox_of
from jobs.errors import NotFound
from jobs.orders import pauses
from jobs.orders.rungs import name_way
from jobs.resources import RESOURCES
from jobs.settings.providers import WITHOUT_SETTINGS
from jobs.styles.ladder import rungs_of
from jobs.styles.shelf import StyleShelf
from jobs.switches.booths import BoothSwitches
from jobs.switches.pools import PoolSwitches
from jobs.switches.servers import ServerSwitches

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Path:
    """One way to make one step of a style."""

    style: str
    position: int
    rung: int
    what: str
    """Its resource, and its provider if it has one."""
    when: tuple[str, ...]

    @property
    def scope(self) -> str:
        """What its pause is called."""
        return pauses.path_scope(self.style, self.position, self.rung)


def list_paths(shelf: StyleShelf) -> list[Path]:
    """Every way of every style that is not broken, in order."""
    return [
        Path(name, position, rung.number, name_way(rung.resource, rung.provider), tuple(sorted(rung.when)))
        for name, style in shelf.all().items()
        for position, step in enumerate((style.recipe or {"steps": []})["steps"])
        for rung in rungs_of(step)
    ]


@dataclass(frozen=True)
class Switches:
    """All of them. Each raises NotFound for a provider or a way that there is not."""

    database: Database
    providers: Mapping[str, Provider]
    shelf: StyleShelf
    servers: ServerSwitches
    pools: PoolSwitches
    booths: BoothSwitches

    def pause_provider(self, name: str, *, actor: str) -> None:
        """No new call until somebody resumes it. What was sent is followed to its end."""
        self._change(name, "pause", actor, lambda session: brake.stop(session, name, actor))

    def resume_provider(self, name: str, *, actor: str) -> None:
        """End any pause of it now; one call goes first, the others follow as it succeeds."""
        self._change(name, "resume", actor, lambda session: pauses.resume(session, brake.scope_of(name)))

    def set_budget(self, name: str, budget: float | None, *, actor: str) -> None:
        """What its calls of one day may cost; None: what the settings say."""
        self._change(name, "budget", actor, lambda session: brake.set_budget(session, name, budget), budget=budget)

    def switch_path(self, style: str, position: int, rung: int, *, on: bool, actor: str) -> None:
        """Nothing new is made this way, or again: what waits changes over where the style has an alternative for
        `paused`, and waits where it has none. What was sent is followed to its end.
        """
        scope = pauses.path_scope(style, position, rung)
        if scope not in {path.scope for path in list_paths(self.shelf)}:
            raise NotFound()
        self._switch(scope, "path", on=on, actor=actor)

    def switch_style(self, style: str, *, on: bool, actor: str) -> None:
        """Offer a style or not. Switched off it is refused to booths, and what waits of it waits until it is on again;
        what was sent is followed to its end.
        """
        found = self.shelf.get(style)
        if found is None or found.recipe is None:  # a broken one is not offered anyway
            raise NotFound()
        self._switch(pauses.style_scope(style), "style", on=on, actor=actor)

    def _switch(self, scope: str, what: str, *, on: bool, actor: str) -> None:
        state = "on" if on else "off"

        def write(session: Session) -> None:
            if on:
                pauses.resume(session, scope)
            else:
                pauses.pause(session, scope, f"Switched off by {actor}.", actor=actor)
            audit.note(session, actor, f"{what} {state}", scope)
            outbox_of(session).room.update(RESOURCES)

        self.database.write(write)
        log.info("what is offered was switched", extra={"what": what, "scope": scope, "state": state, "actor": actor})

    def _change(self, name: str, action: str, actor: str, change: Callable[[Session], None], **detail: Any) -> None:
        if name not in self.providers or name in WITHOUT_SETTINGS:
            raise NotFound()

        def write(session: Session) -> None:
            change(session)
            audit.note(session, actor, action, f"provider:{name}", **detail)
            outbox_of(session).room.add("api")

        self.database.write(write)
        log.info("a provider was switched", extra={"provider": name, "action": action, "actor": actor, **detail})
