"""A season's worth of finished tasks, written past every rule in bulk: to measure a farm whose database is full.

`fill` adds orders, photos, tasks, steps, calls, images and events as a real season leaves them. No file is written.
"""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from jobs.access.models import Booth
from jobs.database import Base, Database
from jobs.orders.models import Call, Event, Image, Order, Photo, Recipe, Step, Task
from jobs.styles.options import key_of
from jobs.styles.shelf import BUILTIN, Style, StyleShelf

TABLES: tuple[type[Base], ...] = (Order, Photo, Task, Step, Call, Image, Event)
BOOTHS = 10
PHOTOS_PER_ORDER = 2
CHUNK_ORDERS = 1_000
SEASON_DAYS = 90
FAILED_SHARE, CANCELED_SHARE = 0.02, 0.01
KINDS = ("unavailable", "execution_failed", "bad_answer", "content_refused", "deadline")
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

Rows = dict[type[Base], list[dict[str, Any]]]


def fill(database: Database, tasks: int = 200_000, *, seed: int = 1) -> None:
    """Add so many ended tasks (two to an order) to a migrated database, the oldest first, the last a minute ago."""
    season = _Season(database.write(_prepare, seed), tasks, random.Random(seed))
    for rows in season.chunks():
        database.write(_insert, rows)
    if not database.is_sqlite:
        database.write(_set_sequences)


@dataclass(frozen=True)
class _Start:
    """What is there before the first row: booths, styles, and the ids that are free."""

    booths: list[tuple[int, str]]
    styles: list[Style]
    next_ids: dict[type[Base], int]


class _Season:
    """Makes the rows. Ids are counted here, since bulk inserts hand none back."""

    def __init__(self, start: _Start, tasks: int, draw: random.Random) -> None:
        self._start = start
        self._tasks = tasks
        self._draw = draw
        self._ids = dict(start.next_ids)
        self._ends_at = datetime.now(UTC) - timedelta(minutes=1)

    def chunks(self) -> Iterator[Rows]:
        """Rows by table, a thousand orders at a time."""
        rows: Rows = defaultdict(list)
        orders = 0
        for number in range(0, self._tasks, PHOTOS_PER_ORDER):
            self._add_order(rows, number, min(PHOTOS_PER_ORDER, self._tasks - number))
            orders += 1
            if orders % CHUNK_ORDERS == 0:
                yield rows
                rows = defaultdict(list)
        if rows:
            yield rows

    def _add_order(self, rows: Rows, number: int, photos: int) -> None:
        share = (self._tasks - number) / max(self._tasks, 1)
        at = self._ends_at - timedelta(days=SEASON_DAYS) * share - timedelta(minutes=5)
        order_id, uid = self._next(Order), uuid.UUID(int=self._draw.getrandbits(128)).hex
        booth_id, booth = self._draw.choice(self._start.booths)
        rows[Order].append(
            {
                "id": order_id,
                "uid": uid,
                "order_id": f"filled-{uid[:20]}",
                "booth_id": booth_id,
                "code": "".join(self._draw.choices(LETTERS, k=6)),
                "guest_key": bytes.fromhex(uid + uid),
                "link_number": 1,
                "version": 1 + 2 * photos,
                "created_at": at,
            }
        )
        self._add_event(rows, at, "accepted", f"booth:{booth}", order_id)
        for position in range(photos):
            self._add_task(rows, at, order_id, position, f"booth:{booth}")

    def _add_task(self, rows: Rows, at: datetime, order_id: int, position: int, actor: str) -> None:
        draw = self._draw
        style = draw.choice(self._start.styles)
        photo_id, task_id = self._next(Photo), self._next(Task)
        sha256 = f"{draw.getrandbits(256):064x}"
        luck = draw.random()
        status = (
            "failed" if luck < FAILED_SHARE else "canceled" if luck < FAILED_SHARE + CANCELED_SHARE else "succeeded"
        )
        kind = draw.choice(KINDS) if status == "failed" else None
        started_at = at + timedelta(seconds=draw.uniform(0.01, 60))
        finished_at = started_at + timedelta(seconds=draw.uniform(2, 20))
        rows[Photo].append(
            {
                "id": photo_id,
                "order_id": order_id,
                "sha256": sha256,
                "position": position,
                "path": f"photos/{sha256[:2]}/{sha256[:32]}.jpg",
                "width": 1200,
                "height": 1600,
                "bytes": 400_000,
                "created_at": at,
            }
        )
        rows[Task].append(
            {
                "id": task_id,
                "task_id": uuid.UUID(int=draw.getrandbits(128)).hex,
                "order_id": order_id,
                "photo_id": photo_id,
                "photo_sha256": sha256,
                "style": style.name,
                "recipe_id": style.recipe_id,
                "options": {},
                "options_key": key_of({}),
                "take": 0,
                "seed": draw.getrandbits(32),
                "status": status,
                "kind": kind,
                "reason": "The picture could not be made." if kind else None,
                "created_at": at,
                "started_at": started_at,
                "finished_at": finished_at,
                "deadline_at": at + timedelta(hours=6),
            }
        )
        self._add_event(rows, at, "accepted", actor, order_id, task_id, detail={"style": style.name})
        documents = (style.recipe or {})["steps"]
        moment = started_at
        for number, document in enumerate(documents):
            is_last = number == len(documents) - 1
            until = started_at + (finished_at - started_at) * (number + 1) / len(documents)
            self._add_step(
                rows,
                order_id,
                task_id,
                number,
                document,
                (moment, until),
                status if is_last else "succeeded",
                kind if is_last else None,
                is_last=is_last,
            )
            moment = until

    def _add_step(
        self,
        rows: Rows,
        order_id: int,
        task_id: int,
        position: int,
        document: dict[str, Any],
        span: tuple[datetime, datetime],
        status: str,
        kind: str | None,
        *,
        is_last: bool,
    ) -> None:
        draw = self._draw
        claimed_at, finished_at = span
        step_id, resource = self._next(Step), document["resource"]
        worker = f"{resource}-host-{draw.randrange(1000, 1015)}-abcdef"
        rows[Step].append(
            {
                "id": step_id,
                "task_id": task_id,
                "position": position,
                "resource": resource,
                "provider": document.get("provider"),
                "timeout_s": document["timeout_s"],
                "status": status,
                "attempt": 1,
                "worker": worker,
                "claimed_at": claimed_at,
                "queued_at": claimed_at,
                "finished_at": finished_at,
                "failures": 1 if status == "failed" else 0,
                "crashes": 0,
                "claims": 1,
                "kind": kind,
            }
        )
        rows[Call].append(
            {
                "id": self._next(Call),
                "step_id": step_id,
                "call_no": 1,
                "attempt": 1,
                "resource": resource,
                "provider": document.get("provider"),
                "server": f"http://gpu-{draw.randrange(10)}:8188" if resource == "comfyui" else None,
                "external_id": str(uuid.UUID(int=draw.getrandbits(128))),
                "state": "closed",
                "outcome": {"succeeded": "succeeded", "canceled": "stopped"}.get(status, "failed"),
                "opened_at": claimed_at,
                "sent_at": claimed_at,
                "closed_at": finished_at,
                "cost": 0.04 if resource == "api" and status == "succeeded" else None,
            }
        )
        self._add_event(rows, claimed_at, "S2", worker, order_id, task_id, step_id)
        if status == "succeeded":
            self._add_image(rows, task_id, step_id, finished_at, final=is_last)
            self._add_event(rows, finished_at, "S4", worker, order_id, task_id, step_id, {"images": 1})
        elif status == "failed":
            move, actor = ("S10", "reconciler") if kind == "deadline" else ("S6", worker)
            self._add_event(rows, finished_at, move, actor, order_id, task_id, step_id, {"kind": kind})
        else:
            self._add_event(rows, finished_at, "S11", "admin", order_id, task_id, step_id)

    def _add_image(self, rows: Rows, task_id: int, step_id: int, at: datetime, *, final: bool) -> None:
        sha256 = f"{self._draw.getrandbits(256):064x}"
        rows[Image].append(
            {
                "id": self._next(Image),
                "uid": sha256[:32],
                "task_id": task_id,
                "step_id": step_id,
                "attempt": 1,
                "position": 0,
                "final": final,
                "path": f"images/{sha256[:2]}/{sha256[:32]}-a1.jpg",
                "thumbnail_path": f"images/{sha256[:2]}/{sha256[:32]}-a1t.jpg",
                "content_type": "image/jpeg",
                "width": 1200,
                "height": 1600,
                "bytes": 500_000,
                "sha256": sha256,
                "created_at": at,
            }
        )

    def _add_event(
        self,
        rows: Rows,
        at: datetime,
        move: str,
        actor: str,
        order_id: int,
        task_id: int | None = None,
        step_id: int | None = None,
        detail: dict[str, Any] | None = None,
    ) -> None:
        rows[Event].append(
            {
                "id": self._next(Event),
                "at": at,
                "order_id": order_id,
                "task_id": task_id,
                "step_id": step_id,
                "attempt": 1 if step_id is not None else None,
                "move": move,
                "actor": actor,
                "detail": detail or {},
            }
        )

    def _next(self, table: type[Base]) -> int:
        given = self._ids[table]
        self._ids[table] = given + 1
        return given


def _prepare(session: Session, seed: int) -> _Start:
    now = datetime.now(UTC)
    names = [f"filled-{seed}-{number}" for number in range(BOOTHS)]
    there = set(session.scalars(select(Booth.name).where(Booth.name.in_(names))))
    session.add_all(Booth(name=name, created_at=now) for name in names if name not in there)
    styles = [style for style in StyleShelf(BUILTIN).all().values() if style.recipe is not None]
    for style in styles:
        if session.get(Recipe, style.recipe_id) is None:
            session.add(Recipe(id=style.recipe_id, style=style.name, document=style.recipe, created_at=now))
    session.flush()
    booths = [(row.id, row.name) for row in session.scalars(select(Booth).where(Booth.name.in_(names)))]
    next_ids = {table: (session.scalar(select(func.max(table.__table__.c.id))) or 0) + 1 for table in TABLES}
    return _Start(booths, styles, next_ids)


def _insert(session: Session, rows: Rows) -> None:
    for table in TABLES:
        if rows[table]:
            session.execute(insert(table.__table__), rows[table])  # type: ignore[arg-type]  # a Table at run time


def _set_sequences(session: Session) -> None:
    for table in TABLES:
        name = table.__tablename__
        session.execute(
            text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM {name}))")  # noqa: S608  our own names
        )
    session.execute(text("ANALYZE"))
