"""What all providers have that are services outside: a key, an address, a place for results. Each adds its dialect."""

from __future__ import annotations

from typing import Literal

from jobs.cloud.provider import Done, Pending, Unheard
from jobs.cloud.results import ResultFetcher
from jobs.cloud.transport import Transport
from jobs.settings.providers import ProviderSettings


class Service:
    """All of a provider but `submit`, `poll` and `cancel`; its calls can be asked about."""

    can_look_up = True
    takes_key = False

    def __init__(self, name: str, settings: ProviderSettings) -> None:
        self.name = name
        self.limit = settings.limit
        self.silence_s = settings.silence_s
        self.on_unknown: Literal["hold", "resubmit"] = settings.unknown
        self._key = settings.key
        self._transport = Transport(settings.base_url, self._key_header(settings), silence_s=self.silence_s)
        self._results = ResultFetcher(settings.base_url, settings.result_hosts)

    def _key_header(self, settings: ProviderSettings) -> dict[str, str]:
        """How the key is sent."""
        return {"Authorization": f"Bearer {settings.key}"}

    def is_configured(self) -> bool:
        """Is there a key?"""
        return bool(self._key)


class AtOnce(Service):
    """One whose picture comes in the answer to the submission: nothing can be asked or stopped later."""

    can_look_up = False

    def poll(self, model: str, remote_id: str, seconds: float) -> Done | Pending:
        """The dialect cannot be asked about a call. Raises Unheard."""
        raise Unheard("not part of this dialect")

    def cancel(self, model: str, remote_id: str, seconds: float) -> None:
        """The dialect knows no stopping. Raises Unheard."""
        raise Unheard("not part of this dialect")
