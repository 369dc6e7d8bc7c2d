"""What made a picture: which resource, and whether it is the style as written or an alternative. Read by S4."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.orders.models import Call, Recipe, Step, Task


def tell_maker(session: Session, step_id: int, call_id: int) -> dict[str, Any]:
    """The maker of a step's pictures, as `images.made_by` keeps it.

    A chain's later steps work on what earlier ones made: an alternative anywhere before marks their pictures too.
    """
    call = session.execute(select(Call.resource, Call.provider, Call.server).where(Call.id == call_id)).one()
    task_id, position = session.execute(select(Step.task_id, Step.position).where(Step.id == step_id)).one()
    rungs = session.execute(
        select(Step.rung, Step.rung_why)
        .where(Step.task_id == task_id, Step.position <= position)
        .order_by(Step.position.desc())
    ).all()
    changed = [why for rung, why in rungs if rung]
    maker: dict[str, Any] = {"resource": call.resource}
    if call.provider is not None:
        maker["provider"] = call.provider
        maker["model"] = _read_model(session, task_id, position, rungs[0].rung)
    if call.server is not None:
        maker["server"] = call.server
    return maker | {"alternative": bool(changed), "why": changed[0] if changed else None}


def _read_model(session: Session, task_id: int, position: int, rung: int) -> str | None:
    """The model's name alone: the database takes it out of the document, which may hold large graphs."""
    path = ("steps", position, "alternatives", rung - 1, "model") if rung else ("steps", position, "model")
    query = select(Recipe.document[path].as_string()).join(Task, Task.recipe_id == Recipe.id).where(Task.id == task_id)
    return session.scalar(query) or None
