"""The fallback ladder of a recipe's step: rung 0 is the step as written, rung n its n-th alternative. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

Reason = Literal["paused", "unavailable", "refused", "slow"]
"""Why a step is made another way than the rung it stands on."""
REASONS: tuple[Reason, ...] = get_args(Reason)


@dataclass(frozen=True)
class Rung:
    """One way to make a step, without its graph or prompt. `when` and `after_s` are those of alternatives."""

    number: int
    resource: str
    provider: str | None
    timeout_s: float
    when: frozenset[str]
    after_s: float | None

    def is_meant_for(self, reason: Reason, waited_s: float) -> bool:
        """May a step come to this rung for that reason? `waited_s`: since its task was accepted."""
        return reason in self.when and (reason != "slow" or waited_s >= (self.after_s or 0.0))


@dataclass(frozen=True)
class Choice:
    """On which rung a new task's step begins, and why not as written."""

    rung: Rung
    why: Reason | None


def documents_of(step: dict[str, Any]) -> list[dict[str, Any]]:
    """All ways to make a recipe's step, in order. Recipes of before there were alternatives have one."""
    return [step, *step.get("alternatives", ())]


def document_of(recipe: dict[str, Any], position: int, rung: int) -> dict[str, Any]:
    """What a worker performs for the step at `position` on this rung."""
    return documents_of(recipe["steps"][position])[rung]


def rungs_of(step: dict[str, Any]) -> tuple[Rung, ...]:
    """The ladder of a recipe's step."""
    return tuple(
        Rung(
            number=number,
            resource=document["resource"],
            provider=document.get("provider"),
            timeout_s=document["timeout_s"],
            when=frozenset(document.get("when", ())),
            after_s=document.get("after_s"),
        )
        for number, document in enumerate(documents_of(step))
    )
