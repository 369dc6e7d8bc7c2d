"""What the farm can offer now: each style, and why one is not available. Reads styles, servers, providers, pauses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from jobs.cloud.provider import Provider
from jobs.comfyui.servers import Abilities, ServerState, list_states
from jobs.database import now_of
from jobs.errors import StyleUnavailable, StyleUnknown
from jobs.orders.pauses import list_paused
from jobs.styles.shelf import Style, StyleShelf


@dataclass(frozen=True)
class Dish:
    """A style and, when it cannot be ordered now, the reason."""

    style: Style
    problem: str | None


@dataclass(frozen=True)
class Menu:
    """Asks the parts that a style needs."""

    shelf: StyleShelf
    abilities: Abilities
    providers: dict[str, Provider]

    def list_dishes(self, session: Session) -> list[Dish]:
        """All styles by name."""
        states = list_states(session)
        off = _switched_off(session)
        return [Dish(style, self._problem_of(session, style, states, off)) for style in self.shelf.all().values()]

    def choose(self, session: Session, name: str) -> Style:
        """A style that can be ordered. Raises StyleUnknown, StyleUnavailable."""
        style = self.shelf.get(name)
        if style is None:
            raise StyleUnknown()
        self.check_available(session, style)
        return style

    def check_available(self, session: Session, style: Style) -> None:
        """Raise StyleUnavailable, with the reason, unless the style can be ordered now."""
        problem = self._problem_of(session, style, list_states(session), _switched_off(session))
        if problem is not None:
            raise StyleUnavailable(f"This style is not available now: {problem}.")

    def _problem_of(self, session: Session, style: Style, states: list[ServerState], off: set[str]) -> str | None:
        if style.recipe is None:
            return style.problem
        if f"style:{style.name}" in off:
            return "switched off by an operator"
        for position, step in enumerate(style.recipe["steps"]):
            if step["resource"] == "api":
                provider = self.providers.get(step["provider"])
                if provider is None:
                    return f"there is no provider {step['provider']}"
                if not provider.is_configured():
                    return f"the provider {provider.name} has no key"
            else:
                missing = [
                    self.abilities.missing(session, state.catalog_id, style.recipe_id, position, partial(dict, step))
                    for state in states
                ]
                if not missing:
                    return "no ComfyUI server is configured"
                if all(missing):
                    # A server that is away but able is no reason: the step waits for it.
                    return "no ComfyUI server has " + ", ".join(sorted(missing, key=len)[0])
        return None


def _switched_off(session: Session) -> set[str]:
    """Scopes that are paused without an end. A passing pause only makes a step wait."""
    return {scope for scope, row in list_paused(session, now_of(session)).items() if row.until is None}
