"""What the farm can offer now: each style, and why one is not available. Reads styles, servers, providers, pauses."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from jobs.engine.ladder import Ladder, Look, Problem
from jobs.errors import StyleUnavailable, StyleUnknown
from jobs.orders.pauses import style_scope
from jobs.styles.ladder import Choice
from jobs.styles.shelf import Style, StyleShelf


@dataclass(frozen=True)
class Dish:
    """A style and, when it cannot be ordered now, the reason."""

    style: Style
    problem: str | None


@dataclass(frozen=True)
class Menu:
    """Asks the parts that a style needs. A style is available when each of its steps can be made one way or another."""

    shelf: StyleShelf
    ladder: Ladder

    def list_dishes(self, session: Session) -> list[Dish]:
        """All styles by name."""
        look = self.ladder.look(session)
        dishes = []
        for style in self.shelf.all().values():
            found = _choose(look, style)
            dishes.append(Dish(style, found if isinstance(found, str) else None))
        return dishes

    def choose(self, session: Session, name: str) -> tuple[Style, list[Choice]]:
        """A style that can be ordered, and how its steps begin. Raises StyleUnknown, StyleUnavailable."""
        style = self.shelf.get(name)
        if style is None:
            raise StyleUnknown()
        return style, self.choose_rungs(session, style)

    def choose_rungs(self, session: Session, style: Style) -> list[Choice]:
        """On which rung each step of a new task begins. Raises StyleUnavailable, with the reason."""
        found = _choose(self.ladder.look(session), style)
        if isinstance(found, str):
            raise StyleUnavailable(f"This style is not available now: {found}.")
        return found


def _choose(look: Look, style: Style) -> list[Choice] | str:
    """The beginning of each step, or in words why the style cannot be ordered now."""
    if style.recipe is None:
        return style.problem or "broken"
    if style_scope(style.name) in look.switched_off:
        return "switched off by an operator"
    found = look.choose(style.recipe, style.recipe_id)
    return found.words if isinstance(found, Problem) else found
