"""A worker's hold on one step: the beat that keeps the claim, and the executor's side of it (`orders.work.Control`).

The hold trusts only its own monotonic clock: when the last successful beat is older than two thirds of the claim, it
is as good as lost, and nothing may be sent or stored any more.
"""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs import trail
from jobs.cloud import brake
from jobs.comfyui import servers
from jobs.database import Database
from jobs.engine.changes import Announcer
from jobs.engine.claims import Claim
from jobs.engine.windows import Windows
from jobs.errors import ClaimLost, DatabaseAway
from jobs.errors.steps import LocalTrouble
from jobs.orders import calls, moves
from jobs.orders.models import Call, Step
from jobs.orders.work import Terms

log = logging.getLogger(__name__)

REPORT_SECONDS = 0.5


class Hold:
    """Held while entered. The beat ends with it, and at the step's time limit, so that a hanging step is taken away."""

    def __init__(
        self,
        database: Database,
        announcer: Announcer,
        claim: Claim,
        *,
        asked_at: float,
        claim_s: float,
        timeout_s: float,
        grace_s: float,
    ) -> None:
        """`asked_at`: when the claim was asked for, by the monotonic clock. `grace_s`: how long the beat outlives the
        time limit, for fetching and storing what is made.
        """
        self.call = claim.call
        self.held = claim.held
        self._database = database
        self._announcer = announcer
        self._claim_s = claim_s
        self._started_at = self._beaten_at = asked_at
        self._timeout_s = timeout_s
        self._grace_s = grace_s
        self._over = threading.Event()
        self._lost = threading.Event()
        self._reported_at = 0.0
        self._thread = threading.Thread(target=trail.carry(self._beat), name="beat", daemon=True)

    def __enter__(self) -> Hold:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(timeout=self._claim_s)

    def check(self) -> None:
        """Raise ClaimLost unless the step is certainly still ours."""
        if self._lost.is_set() or time.monotonic() - self._beaten_at > self._claim_s * 2 / 3:
            raise ClaimLost()

    def seconds_left(self) -> float:
        """Until the step's time limit, counted from the claim."""
        return self._timeout_s - (time.monotonic() - self._started_at)

    def wait(self, seconds: float) -> None:
        """Sleep, but not past the loss of the claim."""
        self._lost.wait(seconds)
        self.check()

    def mark_sent(self, terms: Terms | None = None) -> None:
        """Take the right to send `call`. Raises ClaimLost, LocalTrouble, Busy, Braked, OverBudget."""
        provider = self.call.provider
        if provider and terms and terms.per_minute:
            Windows(self._announcer.redis).take(provider, terms.per_minute)
        mark = brake.mark_sent if provider else calls.mark_sent
        more = (terms or Terms(),) if provider else ()
        try:
            self.call = self._database.write(mark, self.held.step_id, self.held.attempt, self.call, *more)
        except DatabaseAway as exc:
            raise LocalTrouble(outcome="unsent") from exc

    def replace_lost(self) -> None:
        """Close `call` as lost and open its successor. Raises ClaimLost, LocalTrouble."""
        self._replace("lost")

    def replace_unknown(self) -> None:
        """Close `call` as unknown and open its successor. Raises ClaimLost, LocalTrouble."""
        self._replace("unknown")

    def count_unknown(self) -> int:
        """Earlier calls of the step whose outcome nobody can tell. Raises LocalTrouble."""
        try:
            return self._database.read(calls.count_unknown, self.held.step_id)
        except DatabaseAway as exc:
            raise LocalTrouble() from exc

    def _replace(self, outcome: str) -> None:
        held = self.held
        try:
            self.call = self._database.write(calls.replace_call, held.step_id, held.attempt, self.call, outcome=outcome)
        except DatabaseAway as exc:
            raise LocalTrouble() from exc

    def keep_remote_id(self, remote_id: str) -> None:
        """Keep the provider's own id of `call`. Without a database the answer is still worth more than its number."""
        try:
            self._database.write(calls.set_remote_id, self.call.id, remote_id)
        except DatabaseAway:
            log.warning("a provider's id was not kept", extra={"step_id": self.held.step_id, "remote_id": remote_id})

    def report(self, value: float, stage: str) -> None:
        """Tell followers how far the work is, at most twice a second."""
        now = time.monotonic()
        if now - self._reported_at < REPORT_SECONDS and 0.0 < value < 1.0:
            return
        self._reported_at = now
        self._announcer.report_progress(self.held.order_id, self.held.task_id, value, stage)

    def set_aside(self, why: str, stuck_prompt: str | None = None) -> None:
        """The call's server is not to be used until it is well again."""
        if self.call.server is None:
            return
        try:
            self._database.write(servers.set_aside, self.call.server, why, stuck_prompt)
        except DatabaseAway:
            log.warning("a server was not set aside", extra={"server": self.call.server})  # its care will see it too

    def is_followed(self, external_id: str) -> bool:
        """Does some worker look after this call of ours? While nobody can tell, yes."""
        try:
            return self._database.read(_is_followed, external_id)
        except DatabaseAway:
            return True

    def _beat(self) -> None:
        while not self._over.wait(self._claim_s / 3):
            if self.seconds_left() < -self._grace_s:
                log.error("a step hangs; its beat ends", extra={"step_id": self.held.step_id})
                return
            started_at = time.monotonic()
            try:
                self._database.write(moves.beat, self.held, self._claim_s)
            except ClaimLost:
                self._lost.set()
                return
            except DatabaseAway:
                log.warning("a beat was not written", extra={"step_id": self.held.step_id})
                continue
            self._beaten_at = started_at


def _is_followed(session: Session, external_id: str) -> bool:
    running = (
        select(Call.id)
        .join(Step, Step.id == Call.step_id)
        .where(Call.external_id == external_id, Call.state == "open", Step.status == "running")
    )
    return session.scalar(running) is not None
