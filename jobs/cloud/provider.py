"""What every provider can be asked, whatever its dialect: submit, poll, cancel, and what it can promise.

Each provider maps its own errors to those of jobs/errors/steps.py, by the error's code and not by the status.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Keep = Callable[[str], None]
"""Takes the provider's own id of a call, before anything else is done with the answer."""


@dataclass(frozen=True)
class ImageRequest:
    """One picture to buy: a prepared JPEG and what to make of it. `idempotency_key` is the call's own id."""

    photo: bytes
    prompt: str
    model: str
    parameters: dict[str, Any]
    idempotency_key: str
    check: Callable[[], None] = lambda: None
    """Raises ClaimLost unless the step is still ours: asked again where something slow comes before the buying."""

    @property
    def photo_url(self) -> str:
        """The photo as a data URL. Some services know the format's name in small letters only."""
        return f"data:image/jpeg;base64,{self.photo_base64}"

    @property
    def photo_base64(self) -> str:
        """The photo as JSON can carry it."""
        return base64.b64encode(self.photo).decode()


@dataclass(frozen=True)
class Done:
    """What the provider delivered: encoded pictures, not yet checked."""

    images: tuple[bytes, ...]


@dataclass(frozen=True)
class Pending:
    """The provider works on it under this id of its own. `poll_after_s`: it asks not to be asked before."""

    remote_id: str
    poll_after_s: float | None = None


class Unheard(Exception):
    """Asking about a call got no usable answer: ask again. What was bought is neither there nor gone."""

    def __init__(self, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class NotThere(Unheard):
    """The provider answers that it knows no such call."""


class Provider(Protocol):
    """One cloud image service. Holds no connection between calls; its methods may be called from any process."""

    name: str
    limit: int
    """Calls that may be in flight at this provider."""
    silence_s: float
    """So long it may say nothing to a submission, in seconds."""
    on_unknown: Literal["hold", "resubmit"]
    """What to do when nobody can tell whether a call was carried out, and so paid for."""
    can_look_up: bool
    """Can a call be asked about by its id? Then one that was sent is asked about, not sent again."""
    takes_key: bool
    """Does it make nothing of a call that it has had under the same idempotency key?"""

    def is_configured(self) -> bool:
        """Is there a key?"""

    def submit(self, request: ImageRequest, keep_remote_id: Keep, seconds: float) -> Done | Pending:
        """Buy one picture; sent once, whatever comes. `seconds` bounds it in all.

        Raises StepError: OutcomeUnknown when the request may have been carried out.
        """

    def poll(self, model: str, remote_id: str, seconds: float) -> Done | Pending:
        """How far a call is. Raises Unheard, or StepError when it has ended without a picture."""

    def cancel(self, model: str, remote_id: str, seconds: float) -> None:
        """Ask it to stop working on a call; it may not be able to. Raises Unheard."""
