"""What providers share whose picture comes in the answer to the submission: nothing can be asked or stopped later."""

from __future__ import annotations

from typing import Literal

from jobs.cloud.provider import Done, Pending, Unheard
from jobs.settings.providers import ProviderSettings


class AtOnce:
    """All of such a provider but its `submit`."""

    can_look_up = False
    takes_key = False

    def __init__(self, name: str, settings: ProviderSettings) -> None:
        self.name = name
        self.limit = settings.limit
        self.silence_s = settings.silence_s
        self.on_unknown: Literal["hold", "resubmit"] = settings.unknown
        self._key = settings.key

    def is_configured(self) -> bool:
        """Is there a key?"""
        return bool(self._key)

    def poll(self, model: str, remote_id: str, seconds: float) -> Done | Pending:
        """The dialect cannot be asked about a call. Raises Unheard."""
        raise Unheard("not part of this dialect")

    def cancel(self, model: str, remote_id: str, seconds: float) -> None:
        """The dialect knows no stopping. Raises Unheard."""
        raise Unheard("not part of this dialect")
