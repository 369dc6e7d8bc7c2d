"""What every provider can be asked, whatever its dialect. Each maps its errors to those of jobs/errors.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class ImageRequest:
    """One picture to buy: a prepared JPEG and what to make of it. `idempotency_key` is the call's own id."""

    photo: bytes
    prompt: str
    model: str
    parameters: dict[str, Any]
    idempotency_key: str


@dataclass(frozen=True)
class Bought:
    """What the provider delivered: encoded pictures, not yet checked."""

    images: list[bytes]


class Provider(Protocol):
    """One cloud image service."""

    name: str
    limit: int
    """Calls that may be in flight at this provider."""
    on_unknown: Literal["hold", "resubmit"]
    """What to do when nobody can tell whether a call was carried out, and so paid for."""

    def is_configured(self) -> bool:
        """Is there a key?"""

    def generate(self, request: ImageRequest, keep_remote_id: Callable[[str], None], seconds: float) -> Bought:
        """Buy one picture, within `seconds` in all. The provider's own id goes to `keep_remote_id` first of all.

        Raises StepError: OutcomeUnknown when the request may have been carried out.
        """
