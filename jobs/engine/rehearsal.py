"""A made-up step taken through its moves, all of it rolled back.

A pool does this once before it forks: statements are compiled and loaded where all workers share them, so that a
worker's first task takes no longer than its tenth, and fifteen workers keep one copy.
"""

from __future__ import annotations

import logging
import uuid
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from jobs.access.models import Booth
from jobs.database import Database, now_of
from jobs.engine.claims import Claims
from jobs.engine.runner import load_work
from jobs.errors import ClaimLost, DatabaseAway
from jobs.orders import calls, moves
from jobs.orders.models import Order, Photo, Recipe, Step, Task
from jobs.styles.options import schema_of

log = logging.getLogger(__name__)

ACTOR = "rehearsal"
IMAGE = {
    "position": 0,
    "path": "",
    "thumbnail_path": "",
    "content_type": "image/jpeg",
    "width": 1,
    "height": 1,
    "bytes": 0,
    "sha256": "",
}


class _Over(Exception):
    """The rehearsal has come to its end; raised so that its transaction is rolled back."""


def rehearse(database: Database, claims: Claims, resource: str) -> None:
    """Play one step through. Changes nothing; a database that is away or at odds is left to the real moves."""
    try:
        database.read(claims.look)
        database.write(_play, claims, resource)
    except _Over:
        return
    except (ClaimLost, DatabaseAway) as exc:
        log.info("the rehearsal broke off", extra={"resource": resource, "error": type(exc).__name__})
    except Exception:  # a defect here must not keep a pool from its work
        log.exception("the rehearsal failed", extra={"resource": resource})


def _play(session: Session, claims: Claims, resource: str) -> None:
    claims.claim(session, ACTOR)  # of a real step, if one is due: given back with all the rest
    step = _make_step(session, resource, now_of(session))
    held = moves.claim_step(session, step, ACTOR, 1.0, now_of(session))
    call = calls.open_call(session, step, held.attempt, now_of(session), provider=None, server=None)
    load_work(session, held.step_id, lambda path: b"")
    moves.beat(session, held, 1.0)
    calls.mark_sent(session, held.step_id, held.attempt, call)
    moves.finish_step(session, held, call.id, [IMAGE])
    session.flush()
    raise _Over()


def _make_step(session: Session, resource: str, now: datetime) -> Step:
    name = f"{ACTOR}-{uuid.uuid4().hex}"
    booth = Booth(name=name, created_at=now)
    recipe = Recipe(id=name, style=ACTOR, document={"options": schema_of({}), "steps": [{}]}, created_at=now)
    session.add_all((booth, recipe))
    session.flush()
    order = Order(uid=name[-32:], order_id=name, booth_id=booth.id, code="", guest_key=name.encode(), created_at=now)
    session.add(order)
    session.flush()
    photo = Photo(order_id=order.id, sha256="", position=0, path=ACTOR, width=1, height=1, bytes=0, created_at=now)
    session.add(photo)
    session.flush()
    task = Task(
        task_id=name[-32:],
        order_id=order.id,
        photo_id=photo.id,
        photo_sha256="",
        style=ACTOR,
        recipe_id=recipe.id,
        options={},
        options_key="",
        seed=0,
        status="queued",
        created_at=now,
        deadline_at=now + timedelta(seconds=60),
    )
    session.add(task)
    session.flush()
    step = Step(task_id=task.id, position=0, resource=resource, timeout_s=1.0, status="pending")
    session.add(step)
    moves.queue_first_step(session, step, now)
    return step
