"""Which ComfyUI servers there are, who is healthy and who is able. Rows of `servers`; nothing here calls a server.

A server that refuses connections, hangs or makes no progress is set aside, with since when and why. Having no server
is no failure of any step.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs.comfyui.models import Catalog as CatalogRow
from jobs.comfyui.models import Server
from jobs.comfyui.sweeping import Copies
from jobs.comfyui.workflow import what_is_missing
from jobs.database import now_of, outbox_of
from jobs.errors import NotFound
from jobs.orders.calls import lock_slots
from jobs.styles.graph import Catalog

RESOURCE = "comfyui"


@dataclass(frozen=True)
class ServerState:
    """A server as the claiming query sees it."""

    url: str
    usable: bool
    drained: bool
    catalog_id: str | None
    why: str | None


def sync_servers(session: Session, urls: tuple[str, ...]) -> None:
    """Make the table name just the configured servers; what is known of one that comes back is kept."""
    known = {server.url: server for server in session.scalars(select(Server))}
    for url in urls:
        if url not in known:
            session.add(
                Server(url=url, configured=True, drained=False, why="not asked yet", set_aside_at=now_of(session))
            )
        else:
            known[url].configured = True
    for url, server in known.items():
        if url not in urls:
            server.configured = False


def list_states(session: Session) -> list[ServerState]:
    """All configured servers, in a stable order."""
    rows = session.execute(
        select(Server.url, Server.set_aside_at, Server.drained, Server.catalog_id, Server.why)
        .where(Server.configured)
        .order_by(Server.url)
    )
    return [
        ServerState(
            url=server.url,
            usable=server.set_aside_at is None and not server.drained,
            drained=server.drained,
            catalog_id=server.catalog_id,
            why="drained by an operator" if server.drained else server.why,
        )
        for server in rows
    ]


def list_servers(session: Session) -> list[Server]:
    """All configured servers' rows."""
    return list(session.scalars(select(Server).where(Server.configured).order_by(Server.url)))


def set_aside(session: Session, url: str, why: str, stuck_prompt: str | None = None) -> None:
    """No new work for this server until it is well. The first reason stays."""
    session.execute(
        update(Server)
        .where(Server.url == url, Server.set_aside_at.is_(None))
        .values(set_aside_at=now_of(session), why=why[:300], stuck_prompt=stuck_prompt)
    )


def drain(session: Session, url: str, actor: str) -> bool:
    """It finishes what it has and gets nothing new. False: it was drained already. Raises NotFound.

    Once this is committed no call is opened there: whoever claims waits for the lock, and looks after it.
    """
    lock_slots(session, RESOURCE)
    server = _find(session, url)
    if server.drained:
        return False
    server.drained, server.drained_at, server.drained_by = True, now_of(session), actor
    return True


def give_back(session: Session, url: str) -> bool:
    """A drained server gets work again. False: it was not drained. Raises NotFound."""
    server = _find(session, url)
    if not server.drained:
        return False
    server.drained, server.drained_at, server.drained_by = False, None, None
    outbox_of(session).room.add(RESOURCE)
    return True


def bring_back(session: Session, url: str, catalog: Catalog | None) -> None:
    """The server answered well. `catalog`: what it offers now, or None where it was not asked."""
    now = now_of(session)
    server = session.get_one(Server, url)
    if catalog is not None:
        server.catalog_id = _save_catalog(session, catalog)
    server.seen_at = now
    if server.set_aside_at is not None:
        server.set_aside_at, server.why, server.stuck_prompt = None, None, None
        outbox_of(session).room.add(RESOURCE)


def note_sweeper(session: Session, url: str, copies: Copies | None, why: str) -> None:
    """What the sweeper of a server's host has said; `copies` None: it was not well, and why."""
    now = now_of(session)
    server = session.get_one(Server, url)
    if copies is None:
        server.sweeper_silent_at = server.sweeper_silent_at or now
        server.sweeper_why = why[:100]
        return
    server.sweeper_seen_at, server.sweeper_silent_at, server.sweeper_why = now, None, None
    server.copies, server.copies_bytes = copies.files, copies.bytes
    server.copies_oldest_at = None if copies.oldest_s is None else now - timedelta(seconds=copies.oldest_s)


class Abilities:
    """What servers lack for recipes' steps. Answers are kept: a catalog and a recipe never change under their ids."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._catalogs: dict[str, Catalog] = {}
        self._missing: dict[tuple[str, str, int, int], list[str]] = {}

    def missing(
        self,
        session: Session,
        catalog_id: str | None,
        recipe_id: str,
        position: int,
        rung: int,
        read_step: Callable[[], dict[str, Any]],
    ) -> list[str]:
        """What a server with this catalog lacks for step `position` of a recipe on this rung; empty when it can run it.

        `read_step` gives the rung's document; it is asked once for each catalog and rung.
        """
        if catalog_id is None:
            return ["its list of nodes"]
        key = (catalog_id, recipe_id, position, rung)
        with self._lock:
            if key in self._missing:
                return self._missing[key]
            catalog = self._catalogs.get(catalog_id)
        if catalog is None:
            catalog = session.get_one(CatalogRow, catalog_id).document
        missing = what_is_missing(read_step(), catalog)
        with self._lock:
            self._catalogs[catalog_id] = catalog
            self._missing[key] = missing
        return missing


def _find(session: Session, url: str) -> Server:
    server = session.scalar(select(Server).where(Server.url == url, Server.configured))
    if server is None:
        raise NotFound("There is no such server.")
    return server


def _save_catalog(session: Session, catalog: Catalog) -> str:
    digest = hashlib.sha256(json.dumps(catalog, sort_keys=True).encode()).hexdigest()
    if session.get(CatalogRow, digest) is None:
        session.add(CatalogRow(id=digest, document=catalog))
        session.flush()
    return digest
