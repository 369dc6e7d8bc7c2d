"""When each open task will be done, and when a new one would be: one look at the farm serves everybody for a second."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from jobs.database import now_of
from jobs.forecast.scene import Scene, Sources, read_scene
from jobs.forecast.simulation import simulate
from jobs.forecast.span import SecondsLeft, Span, count_down
from jobs.orders import promises
from jobs.styles.shelf import StyleShelf

log = logging.getLogger(__name__)

FRESH_SECONDS = 1.0
"""How long a look serves. A server that is set aside is in everybody's times after that."""
USABLE_SECONDS = 3.0
"""How old a look may be for those who would have to wait while somebody else takes the next one."""
BLIND_SECONDS = 10.0
"""After a look that failed by a defect: nothing is said, and nothing tried."""


@dataclass(frozen=True)
class Outlook:
    """What was found at one look. None: nothing can be said, since nothing can make it as things stand."""

    tasks: Mapping[int, Span | None]
    """Row id of each open task -> when it will be done."""
    styles: Mapping[str, Span]
    """Style -> when a task of it would be done that was accepted now; styles that can be had, and not all of those."""


NOTHING = Outlook({}, {})


class Forecast:
    """One process's forecast; its threads share it."""

    def __init__(self, sources: Sources, shelf: StyleShelf) -> None:
        self._sources = sources
        self._shelf = shelf
        self._lock = threading.Lock()
        self._scene: Scene | None = None
        self._outlook = NOTHING
        self._looked_at = -USABLE_SECONDS
        self._blind_until = 0.0

    def seconds_left(self, session: Session, task_ids: Collection[int]) -> dict[int, SecondsLeft | None]:
        """For each of these open tasks, by row id, how long it will take from now; None when nothing can be said."""
        if not task_ids:
            return {}
        spans, now = self.look(session, task_ids).tasks, now_of(session)
        return {task_id: _count_down(spans.get(task_id), now) for task_id in task_ids}

    def seconds_for_new(self, session: Session) -> dict[str, SecondsLeft | None]:
        """For each style, how long an order would take that was placed now; None when nothing can be said."""
        spans, now = self.look(session).styles, now_of(session)
        return {name: _count_down(spans.get(name), now) for name in self._shelf.all()}

    def promise(self, session: Session, task_ids: Collection[int]) -> None:
        """Write down what is promised for tasks that are accepted in this transaction."""
        session.flush()
        spans = self.look(session, task_ids).tasks
        promises.keep(session, {task_id: span for task_id in task_ids if (span := spans.get(task_id)) is not None})

    def look(self, session: Session, task_ids: Collection[int] = ()) -> Outlook:
        """The outlook of this second; if need be of this moment, so that it knows these tasks."""
        if time.monotonic() < self._blind_until:
            return NOTHING
        outlook, age = self._outlook, time.monotonic() - self._looked_at
        knows_all = outlook.tasks.keys() >= set(task_ids)
        if knows_all and age < FRESH_SECONDS:
            return outlook
        session.connection()  # taken before the lock: who holds the lock must never wait for those who wait for it
        if not self._lock.acquire(blocking=not (knows_all and age < USABLE_SECONDS)):
            return outlook
        try:
            return self._look_again(session, set(task_ids))
        except (DBAPIError, PoolTimeoutError):
            raise
        except Exception:  # a guest's order is worth more than its forecast: it is taken, and nothing is said
            log.exception("nothing can be forecast")
            self._blind_until = time.monotonic() + BLIND_SECONDS
            return NOTHING
        finally:
            self._lock.release()

    def _look_again(self, session: Session, task_ids: set[int]) -> Outlook:
        unknown = task_ids - self._outlook.tasks.keys()
        is_fresh = time.monotonic() - self._looked_at < FRESH_SECONDS
        if is_fresh and not unknown:
            return self._outlook  # somebody else has just looked
        if is_fresh and self._scene is not None and min(unknown) > self._scene.newest:
            scene = self._scene.extended(session)
        else:
            looked_at = time.monotonic()
            scene = read_scene(session, self._sources, self._shelf.all().values())
            self._looked_at = looked_at
        ends = simulate(scene.lines, scene.places)
        spans = {name: Span.after(scene.at, *found) for name, found in ends.items()}
        self._scene = scene
        self._outlook = Outlook(
            tasks={line.name: spans.get(line.name) for line in scene.lines if isinstance(line.name, int)},
            styles={name: span for name, span in spans.items() if isinstance(name, str)},
        )
        return self._outlook


def _count_down(span: Span | None, now: datetime) -> SecondsLeft | None:
    return None if span is None else count_down(span, now)
