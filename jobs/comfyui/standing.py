"""How each ComfyUI server stands, for operators: what it works on, since when it is away and why, what it lacks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.comfyui.models import Server
from jobs.comfyui.servers import RESOURCE, Abilities, list_servers
from jobs.orders.models import Call, Step, Task
from jobs.styles.ladder import document_of, rungs_of
from jobs.styles.shelf import Style


@dataclass(frozen=True)
class Work:
    """A call that holds a slot of a server."""

    task_id: str
    style: str
    since: datetime
    stopping: bool
    """Nobody waits for it any more; it is being stopped there."""


@dataclass(frozen=True)
class ServerStanding:
    """One server now."""

    server: Server
    works: list[Work]
    """The oldest first."""
    lacks: dict[str, list[str]]
    """Style -> nodes and models for its steps as written that the server does not have."""


def list_server_standings(session: Session, styles: Iterable[Style], abilities: Abilities) -> list[ServerStanding]:
    """Every configured server by address. Two questions, and one for each catalog that was not met before."""
    works: dict[str, list[Work]] = {}
    rows = session.execute(
        select(Call.server, Task.task_id, Task.style, Call.opened_at, Call.state)
        .join(Step, Step.id == Call.step_id)
        .join(Task, Task.id == Step.task_id)
        .where(Call.resource == RESOURCE, Call.state.in_(("open", "closing")))
        .order_by(Call.id)
    )
    for server, task_id, style, opened_at, state in rows:
        works.setdefault(server or "", []).append(Work(task_id, style, opened_at, state == "closing"))
    menu = list(styles)
    return [
        ServerStanding(server, works.get(server.url, []), _list_lacks(session, server, menu, abilities))
        for server in list_servers(session)
    ]


def _list_lacks(session: Session, server: Server, styles: list[Style], abilities: Abilities) -> dict[str, list[str]]:
    if server.catalog_id is None:
        return {}  # it was never asked: nothing can be said
    lacks: dict[str, list[str]] = {}
    for style in styles:
        if style.recipe is None:
            continue
        recipe = style.recipe
        for position, step in enumerate(recipe["steps"]):
            if rungs_of(step)[0].resource != RESOURCE:
                continue
            read_step = partial(document_of, recipe, position, 0)
            missing = abilities.missing(session, server.catalog_id, style.recipe_id, position, 0, read_step)
            lacks.setdefault(style.name, []).extend(missing)
    return {style: missing for style, missing in lacks.items() if missing}
