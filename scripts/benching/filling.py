"""A season's worth of finished tasks, written past every rule in bulk: to measure a farm whose database is full.

`fill` adds orders, photos, tasks, steps, calls, images and events as a real season leaves them. No file is written.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.orm import Session

from jobs.access.models import Booth
from jobs.database import Base, Database
from jobs.orders import tallies
from jobs.orders.models import Call, Event, Image, Order, Photo, Recipe, Step, TallyPosition, Task
from jobs.orders.tallies import Counted
from jobs.styles.shelf import BUILTIN, StyleShelf
from scripts.benching.season import Rows, Season, Start

TABLES: tuple[type[Base], ...] = (Order, Photo, Task, Step, Call, Image, Event)
BOOTHS = 10


def fill(database: Database, tasks: int = 200_000, *, seed: int = 1) -> None:
    """Add so many ended tasks (two to an order) to a migrated database, the oldest first, the last a minute ago.

    The farm must stand still meanwhile. What is added is counted in the tallies too, as the reconciler would have done.
    """
    for _ in range(2):  # PostgreSQL notes first, and counts then
        while database.write(tallies.roll_up):
            pass
    season = Season(database.write(_prepare, seed), tasks, random.Random(seed))
    for rows in season.chunks():
        database.write(_insert, rows)
    if not database.is_sqlite:
        database.write(_set_sequences)


def _prepare(session: Session, seed: int) -> Start:
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
    return Start(booths, styles, next_ids)


def _insert(session: Session, rows: Rows) -> None:
    for table in TABLES:
        if rows[table]:
            session.execute(insert(table.__table__), rows[table])  # type: ignore[arg-type]  # a Table at run time
    tallies.add(session, tallies.fold(_counted(rows)))
    last = rows[Event][-1]["id"]
    session.execute(update(TallyPosition).where(TallyPosition.id == 1).values(event_id=last, noted_event_id=last))


def _counted(rows: Rows) -> Iterator[Counted]:
    """The events as the tallies read them; an order's rows are always in one chunk."""
    tasks, steps = ({row["id"]: row for row in rows[table]} for table in (Task, Step))
    for event in rows[Event]:
        task, step = tasks.get(event["task_id"], {}), steps.get(event["step_id"], {})
        yield Counted(
            id=event["id"],
            at=event["at"],
            move=event["move"],
            actor=event["actor"],
            detail=event["detail"],
            task_id=event["task_id"],
            style=task.get("style"),
            created_at=task.get("created_at"),
            started_at=task.get("started_at"),
            finished_at=task.get("finished_at"),
            promised_low_at=task.get("promised_low_at"),
            promised_high_at=task.get("promised_high_at"),
            position=step.get("position"),
            resource=step.get("resource"),
            provider=step.get("provider"),
            claimed_at=step.get("claimed_at"),
            ends_canceled=event["move"] == "S11",
        )


def _set_sequences(session: Session) -> None:
    for table in TABLES:
        name = table.__tablename__
        session.execute(
            text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM {name}))")  # noqa: S608  our own names
        )
    session.execute(text("ANALYZE"))
