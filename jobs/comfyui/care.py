"""Looking after ComfyUI servers from outside of any step: probing, stopping work that nobody waits for any more.

Runs in threads of the reconciler, since servers may hang. Speaks to servers through the client, to the database
through `servers` and the journal of calls.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.comfyui import servers
from jobs.comfyui.client import ComfyuiClient, QueueView
from jobs.comfyui.models import Server
from jobs.database import Database, now_of
from jobs.errors.steps import StepError
from jobs.orders import calls
from jobs.orders.models import Call
from jobs.settings import Settings

log = logging.getLogger(__name__)

CATALOG_SECONDS = 60.0
ACTOR = "reconciler"


class ServerCare:
    """The care of one server: made once for each, run by one thread at a time."""

    def __init__(self, database: Database, settings: Settings, url: str) -> None:
        self._database = database
        self._settings = settings
        self._url = url
        self._asked_catalog_at = -CATALOG_SECONDS

    def look_after(self) -> None:
        """One round: ask the server how it is, set it aside or bring it back, and stop what should not run."""
        client = ComfyuiClient(self._url)
        try:
            queue = client.queue()
            wants_catalog = time.monotonic() - self._asked_catalog_at >= CATALOG_SECONDS
            row = self._database.read(lambda session: session.get_one(Server, self._url))
            stuck = row.stuck_prompt
            if stuck is not None and stuck in queue.running:
                self._stop_leftovers(client, queue)
                return  # it answers, but answering is not health: the same prompt still sits at its head
            catalog = client.catalog() if wants_catalog or row.catalog_id is None else None
            if catalog is not None:
                self._asked_catalog_at = time.monotonic()
            if catalog is not None or row.set_aside_at is not None:
                self._database.write(servers.bring_back, self._url, catalog)
            self._stop_leftovers(client, queue)
        except StepError as exc:
            log.info("a server does not answer well", extra={"server": self._url, "error": str(exc)})
            self._asked_catalog_at = -CATALOG_SECONDS
            refused = getattr(exc, "refused", False)
            why = "refuses connections" if refused else f"does not answer well ({exc.detail or exc})"
            self._database.write(servers.set_aside, self._url, why)
            self._database.write(close_hopeless, self._url, self._settings.silent_s)
        finally:
            client.close()

    def _stop_leftovers(self, client: ComfyuiClient, queue: QueueView) -> None:
        """Stop closing calls by their own ids, and close those that are gone; prompts of closed calls likewise."""
        present = {*queue.running, *queue.pending}
        closing, zombies = self._database.read(find_leftovers, self._url, present)
        for prompt_id in [*(external_id for _, external_id in closing), *zombies]:
            if prompt_id in present:
                client.delete(prompt_id)
                client.interrupt(prompt_id)
        if closing:
            still = client.queue()
            for call_id, external_id in closing:
                if external_id not in still:
                    self._database.write(close_call, call_id, "stopped")


def find_leftovers(session: Session, url: str, present: set[str]) -> tuple[list[tuple[int, str]], list[str]]:
    """At one server: (id, prompt id) of calls that are closing, and prompts in its queue whose calls are closed."""
    closing = session.execute(select(Call.id, Call.external_id).where(Call.state == "closing", Call.server == url))
    closed = session.scalars(select(Call.external_id).where(Call.external_id.in_(present), Call.state == "closed"))
    return [(call_id, external_id) for call_id, external_id in closing], list(closed)


def close_call(session: Session, call_id: int, outcome: str) -> None:
    """Close a call whose work outside has come to its end."""
    calls.close_alone(session, call_id, now_of(session), outcome=outcome, actor=ACTOR)


def close_hopeless(session: Session, url: str, after_s: float) -> None:
    """Nobody can tell about closing calls of a server that has been out of reach for so long: close as unknown."""
    now = now_of(session)
    rows = session.scalars(
        select(Call).where(
            Call.state == "closing", Call.server == url, Call.closing_at < now - timedelta(seconds=after_s)
        )
    )
    for call in list(rows):
        calls.close_alone(session, call.id, now, outcome="unknown", actor=ACTOR)
