"""What the engine hands to an executor, and what it gets back. Values and roles only.

An executor knows no database and no queue: it asks its `Control` before each outside call and tells it what the
journal must know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from jobs.media.images import Picture
from jobs.orders.calls import OpenCall


@dataclass(frozen=True)
class Work:
    """One step to perform: the recipe's step, the guest's choices with defaults filled in, and the source picture."""

    step: dict[str, Any]
    options: dict[str, Any]
    seed: int
    read_source: Callable[[], bytes]


@dataclass(frozen=True)
class Made:
    """What a step made: its pictures, decoded and re-encoded, and what they cost if anything."""

    pictures: list[Picture]
    cost: float | None = None


@dataclass(frozen=True)
class Terms:
    """On what terms a provider is called: what this call costs, and what bounds all of its calls."""

    price: float | None = None
    budget: float | None = None
    """Of one day."""
    per_minute: int | None = None


class Control(Protocol):
    """The executor's side of a claim."""

    call: OpenCall

    def check(self) -> None:
        """Raise ClaimLost unless the step is certainly still ours. Comes right before each outside call."""

    def mark_sent(self, terms: Terms | None = None) -> None:
        """Take the right to send `call`. Raises ClaimLost; for a provider's call, whose `terms` are given, also Busy,
        Braked and OverBudget, all before a byte is sent.
        """

    def replace_lost(self) -> None:
        """`call` never came to be: close it and open its successor at the same place. Raises ClaimLost."""

    def count_unknown(self) -> int:
        """Earlier calls of the step whose outcome nobody can tell. Raises LocalTrouble."""

    def replace_unknown(self) -> None:
        """Nobody can tell what became of `call`: close it as that and open its successor. Raises ClaimLost."""

    def keep_remote_id(self, remote_id: str) -> None:
        """Keep the provider's own id of `call`."""

    def seconds_left(self) -> float:
        """Until the step's time limit, counted from the claim."""

    def wait(self, seconds: float) -> None:
        """Sleep, but not past the loss of the claim. Raises ClaimLost."""

    def report(self, value: float, stage: str) -> None:
        """Tell followers how far the work is: 0 to 1, and a word. Never raises."""

    def set_aside(self, why: str, stuck_prompt: str | None = None) -> None:
        """The call's server is not to be used until it is well again."""

    def is_followed(self, external_id: str) -> bool:
        """Does some worker look after this call of ours?"""


class Executor(Protocol):
    """Performs steps of one resource."""

    def perform(self, work: Work, control: Control) -> Made:
        """Make the step's pictures, adopting `control.call` when it was sent already. Raises StepError, ClaimLost."""
