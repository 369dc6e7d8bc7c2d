"""What the database says of a farm under test: who holds which step, when it was taken again, how all tasks ended.

Moments are those of the moves themselves, so that looking now and then costs no accuracy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select

from jobs.comfyui.servers import list_states
from jobs.database import Database
from jobs.orders.models import Call, Event, Step, Task
from scripts.benching.rig import NotMeasured, eventually


@dataclass(frozen=True)
class Claimed:
    """A running step: which attempt, the worker that holds it, the server where its prompt is."""

    step_id: int
    attempt: int
    worker: str
    server: str


class Watch:
    """Reads one farm's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def running(self) -> list[Claimed]:
        """The steps in work, the oldest first."""
        rows = self._database.read(
            lambda session: session.execute(
                select(Step.id, Step.attempt, Step.worker, Call.server)
                .join(Call, (Call.step_id == Step.id) & (Call.state == "open"))
                .where(Step.status == "running")
                .order_by(Step.id)
            ).all()
        )
        return [Claimed(*row) for row in rows]

    def wait_until_taken(self, claimed: Claimed, *, seconds: float) -> float:
        """When a later attempt of the step was claimed, as of time.time(). Raises NotMeasured."""

        def look() -> datetime | None:
            return self._database.read(
                lambda session: session.scalar(
                    select(func.min(Event.at)).where(
                        Event.step_id == claimed.step_id, Event.move == "S2", Event.attempt > claimed.attempt
                    )
                )
            )

        return eventually(look, f"step {claimed.step_id} is taken again", seconds).timestamp()

    def list_taken(self, after: float) -> list[float]:
        """The moments after `after` at which steps were claimed, in order."""
        since = datetime.fromtimestamp(after, UTC)
        moments = self._database.read(
            lambda session: list(
                session.scalars(select(Event.at).where(Event.move == "S2", Event.at > since).order_by(Event.at))
            )
        )
        return [moment.timestamp() for moment in moments]

    def list_calls(self, step_id: int) -> list[tuple[str, str]]:
        """(prompt id, server) of each call of a step, the oldest first."""
        rows = self._database.read(
            lambda session: session.execute(
                select(Call.external_id, Call.server).where(Call.step_id == step_id).order_by(Call.call_no)
            ).all()
        )
        return [(prompt_id, server) for prompt_id, server in rows]

    def count_tasks(self) -> Counter[str]:
        """Tasks by status."""
        rows = self._database.read(
            lambda session: session.execute(select(Task.status, func.count()).group_by(Task.status)).all()
        )
        return Counter({status: count for status, count in rows})

    def count_usable_servers(self) -> int:
        """Servers that may be given work."""
        return sum(state.usable for state in self._database.read(list_states))

    def wait_until_done(self, *, seconds: float) -> Counter[str]:
        """How all tasks ended, once none is open. Raises NotMeasured."""

        def look() -> Counter[str] | None:
            counts = self.count_tasks()
            return None if counts["queued"] + counts["running"] else counts

        return eventually(look, "every task has ended", seconds)

    def must_have_succeeded(self, *, seconds: float) -> None:
        """Wait for the end of all tasks. Raises NotMeasured when a single one did not succeed."""
        counts = self.wait_until_done(seconds=seconds)
        if counts.keys() - {"succeeded"}:
            raise NotMeasured(f"tasks were lost to a kill: {dict(counts)}")


@contextmanager
def watching(*database_urls: str) -> Iterator[Sequence[Watch]]:
    """Watches over these databases."""
    databases = [Database(url) for url in database_urls]
    try:
        yield [Watch(database) for database in databases]
    finally:
        for database in databases:
            database.dispose()
