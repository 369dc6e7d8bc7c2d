"""Working off what is owed in the farm's own places: files in the storage, progress in Redis."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from jobs.database import Database
from jobs.erasure import owed
from jobs.erasure.owed import Looked, Owed
from jobs.errors import DatabaseAway
from jobs.media.storage import DiskStorage

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Eraser:
    """Looks at debts that are due. Several at once are harmless: what is gone is gone."""

    database: Database
    storage: DiskStorage
    forget_progress: Callable[[list[int]], bool]
    """Removes the progress of tasks, by row id; False where it cannot tell that it is gone."""

    def work_off(self) -> int:
        """Look at the next few debts; returns how many those were. Raises DatabaseAway."""
        return self._look_at(self.database.read(owed.list_due, owed.OURS))

    def work_off_order(self, order_id: int) -> None:
        """Right after a deletion, so that nobody waits for the next round. What this leaves, the reconciler does."""
        try:
            self._look_at(self.database.read(owed.list_due, owed.OURS, order_id=order_id))
        except DatabaseAway:
            log.warning("the database went away after a deletion; what is left of it is owed")

    def _look_at(self, debts: list[Owed]) -> int:
        looks = [Looked(debt.id, self._erase(debt)) for debt in debts]
        if looks:
            settled = frozenset(debt.id for debt in debts if debt.is_settled)
            self.database.write(owed.note_looks, looks, settled)
        return len(looks)

    def _erase(self, debt: Owed) -> str | None:
        if debt.place == owed.PROGRESS:
            is_gone = self.forget_progress([int(name) for name in debt.names])
            return None if is_gone else "Redis is away"
        why = None
        for path in [*debt.names, *self.storage.list_of_order(debt.order_id)]:
            try:
                self.storage.delete(path)
            except OSError as exc:  # busy, read-only, a disk that fails: the others go all the same
                why = f"a file cannot be removed: {type(exc).__name__}"
                log.warning("a deleted order's file stays for now", extra={"path": path, "error": type(exc).__name__})
        return why
