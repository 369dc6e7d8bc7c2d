"""What a worker does when it hears a ring: take the oldest step that may run, or wait for room, or go back to sleep."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from redis import Redis

from jobs.database import Database
from jobs.engine.changes import Listener, wake_channel
from jobs.engine.claims import Claims
from jobs.engine.runner import Runner
from jobs.errors import ClaimLost

LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Taker:
    """Takes steps of one resource."""

    resource: str
    database: Database
    redis: Redis
    claims: Claims
    runner: Runner

    def take(self, worker: str, *, should_stop: Callable[[], bool], note: Callable[[str], None]) -> None:
        """Take one step and bring it to an outcome. `note` gets a few words on what the ring led to.

        While something is due but has no room, the ring is kept and nothing is claimed: the step stays queued and
        counted, and order of arrival holds.
        """
        listener: Listener | None = None
        try:
            while not should_stop():
                due, has_room = self.database.read(self.claims.look)
                if not due:
                    note("nothing was due")
                    return
                if has_room and self._take_now(worker, note):
                    return
                if not has_room:
                    if listener is None:
                        note("waiting for room")
                        listener = Listener(self.redis, wake_channel(self.resource))
                    listener.wait(LOOK_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311  spreads looks, no secret
        finally:
            if listener is not None:
                listener.close()

    def _take_now(self, worker: str, note: Callable[[str], None]) -> bool:
        asked_at = time.monotonic()
        try:
            claim = self.database.write(self.claims.claim, worker)
        except ClaimLost:
            return False
        if claim is None:
            return False
        note(f"took step {claim.held.step_id}, attempt {claim.held.attempt}")
        self.runner.run_step(claim, asked_at)
        return True
