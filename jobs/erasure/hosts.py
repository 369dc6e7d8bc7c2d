"""Working off what is owed at one ComfyUI host, and keeping an eye on its sweeper.

Runs in threads of the reconciler, one for each server, since hosts hang.
"""

from __future__ import annotations

import logging
import time

from jobs.comfyui import servers
from jobs.comfyui.client import ComfyuiClient
from jobs.comfyui.sweeping import Copies, SweeperClient
from jobs.database import Database
from jobs.erasure import owed
from jobs.erasure.owed import Looked, Owed
from jobs.errors.steps import StepError
from jobs.settings import Settings

log = logging.getLogger(__name__)

ASK_SECONDS = 30.0
SWEEP_PATIENCE_SECONDS = 120.0
"""A sweeper sweeps every ten seconds; one that has not for so long is not well."""


class HostCare:
    """The care of one host: made once for each server, run by one thread at a time."""

    def __init__(self, database: Database, settings: Settings, url: str) -> None:
        self._database = database
        self._settings = settings
        self._url = url
        self._asked_at = -ASK_SECONDS

    def look_after(self) -> None:
        """One round: ask the sweeper how it is, have it remove what is owed, have ComfyUI forget what it was told."""
        sweeper = self._make_sweeper()
        try:
            if sweeper is not None and time.monotonic() - self._asked_at >= ASK_SECONDS:
                self._asked_at = time.monotonic()
                self._ask(sweeper)
            debts = self._database.read(owed.list_due, (owed.COMFYUI,), server=self._url)
            if debts:
                why = self._sweep(sweeper, debts)
                looks = [Looked(debt.id, why or self._find_call(debt)) for debt in debts]
                settled = frozenset(debt.id for debt in debts if debt.is_settled)
                self._database.write(owed.note_looks, looks, settled)
        finally:
            if sweeper is not None:
                sweeper.close()

    def _make_sweeper(self) -> SweeperClient | None:
        port, token = self._settings.sweeper_port, self._settings.sweeper_token
        return SweeperClient(self._url, port, token.get_secret_value()) if port is not None and token else None

    def _ask(self, sweeper: SweeperClient) -> None:
        found: Copies | None = None
        why = ""
        try:
            found = sweeper.ask(patience_s=SWEEP_PATIENCE_SECONDS)
        except StepError as exc:
            why = exc.detail
            log.info("a sweeper does not answer well", extra={"server": self._url, "error": why})
        self._database.write(servers.note_sweeper, self._url, found, why)

    def _sweep(self, sweeper: SweeperClient | None, debts: list[Owed]) -> str | None:
        """Why copies of these debts may be there still; None: all that lay there is gone.

        Without a sweeper they are left to their age, and a debt settles only then.
        """
        prompts = [name for debt in debts for name in debt.names]
        client = ComfyuiClient(self._url)
        try:
            client.forget(prompts)
            if sweeper is not None and not sweeper.sweep(prompts):
                return "a copy cannot be removed there"
        except StepError as exc:
            return f"the host is away: {exc.detail or type(exc).__name__}"[:100]
        finally:
            client.close()
        return None

    def _find_call(self, debt: Owed) -> str | None:
        left = self._database.read(owed.has_calls_left, debt.order_id, self._url)
        return "a prompt may not have ended there" if left else None
