"""One step to its outcome: load, hold, execute, store, finish; or decide what its error means.

The pipeline reads top to bottom in `run_step`. Whatever happens, the step's row says so before this returns, unless
the step is no longer ours; then nothing is written.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from jobs import trail
from jobs.cloud import brake
from jobs.comfyui.servers import Abilities
from jobs.database import Database
from jobs.engine.changes import Announcer
from jobs.engine.claims import Claim, has_untried_server
from jobs.engine.hold import Hold
from jobs.engine.ladder import Ladder, reason_of
from jobs.engine.retries import LOCAL_SECONDS, REASONS, Decision, decide, is_expected
from jobs.errors import ClaimLost, DatabaseAway
from jobs.errors.steps import AccountRefused, BadInput, Braked, Busy, ContentRefused, LocalTrouble, WorkflowRejected
from jobs.media.storage import DiskStorage
from jobs.orders import moves
from jobs.orders.models import Image, Step, Task
from jobs.orders.work import Executor, Made, Work
from jobs.settings import Settings
from jobs.styles.ladder import document_of
from jobs.styles.options import with_defaults

log = logging.getLogger(__name__)

GRACE_SECONDS = 90.0
"""A step may take this much longer than its time limit, to stop its prompt, fetch and store."""


@dataclass(frozen=True)
class Runner:
    """What is needed to run steps of one resource."""

    database: Database
    storage: DiskStorage
    announcer: Announcer
    executor: Executor
    abilities: Abilities
    ladder: Ladder
    settings: Settings

    def run_step(self, claim: Claim, asked_at: float) -> None:
        """Bring a claimed step to an outcome. `asked_at`: when the claim was asked for, by the monotonic clock.

        Raises DatabaseAway only when not even the outcome could be written.
        """
        held = claim.held
        try:
            work, timeout_s, failures, ids = self.database.read(load_work, held.step_id, self.storage.read)
        except ClaimLost:
            return
        with trail.bound(**ids, step_id=held.step_id, attempt=held.attempt):
            log.info(
                "a worker has the step", extra={"move": "S2", "server": claim.call.server, "adopted": claim.adopted}
            )
            self._perform(claim, work, asked_at, timeout_s, failures)

    def _perform(self, claim: Claim, work: Work, asked_at: float, timeout_s: float, failures: int) -> None:
        held = claim.held
        with Hold(
            self.database,
            self.announcer,
            claim,
            asked_at=asked_at,
            claim_s=self.settings.claim_s,
            timeout_s=timeout_s,
            grace_s=GRACE_SECONDS,
        ) as hold:
            try:
                made = self.executor.perform(work, hold)
                hold.check()
                images = self._keep_storing(made, hold)
                hold.check()
                ended = self._insist(moves.finish_step, held, hold.call.id, images, made.cost)
                if hold.call.provider:
                    limit = self.settings.provider(hold.call.provider).limit
                    self._insist(brake.note_success, hold.call.provider, limit)
                seconds = round(time.monotonic() - asked_at, 3)
                log.info(
                    "the task succeeded" if ended else "the step succeeded", extra={"move": "S4", "seconds": seconds}
                )
            except ClaimLost:
                log.info("the step is no longer ours")
            except Exception as exc:  # every other error ends the attempt; what it means is decided in one place
                self._settle(exc, hold, failures)

    def _keep_storing(self, made: Made, hold: Hold) -> list[dict[str, Any]]:
        """Store, again and again while the disk is full: what is made, and perhaps paid for, is not thrown away.

        Raises ClaimLost when the claim ends meanwhile, LocalTrouble when the step's time does.
        """
        while True:
            try:
                return self._store(made, hold)
            except LocalTrouble:
                if hold.seconds_left() < -GRACE_SECONDS / 2:
                    raise
                log.warning("a picture cannot be stored; it is kept in memory")
                hold.wait(random.uniform(*LOCAL_SECONDS))  # noqa: S311  jitter, not a secret

    def _store(self, made: Made, hold: Hold) -> list[dict[str, Any]]:
        """Write the pictures. Their names carry the attempt; only S4 makes them visible."""
        images: list[dict[str, Any]] = []
        for position, picture in enumerate(made.pictures):
            label, order_id = f"-a{hold.held.attempt}", hold.held.order_id
            try:
                path = self.storage.write("images", picture.full.data, label=label, order_id=order_id)
                thumbnail = self.storage.write("images", picture.thumbnail.data, label=f"{label}t", order_id=order_id)
            except OSError as exc:
                raise LocalTrouble(detail=type(exc).__name__) from exc
            images.append(
                {
                    "position": position,
                    "path": path,
                    "thumbnail_path": thumbnail,
                    "content_type": picture.full.content_type,
                    "width": picture.full.width,
                    "height": picture.full.height,
                    "bytes": len(picture.full.data),
                    "sha256": picture.full.sha256,
                }
            )
        return images

    def _settle(self, error: Exception, hold: Hold, failures: int) -> None:
        """S5, on this rung or another one, or S6 for an attempt that ended with an error."""
        held = hold.held
        decision = decide(error, failures)
        if isinstance(error, WorkflowRejected) and not self.database.read(
            has_untried_server, self.abilities, held.step_id, hold.call.server
        ):
            decision = Decision(retry=False, kind="bad_input", counts=False, wait_s=0.0)
        extra = {
            "move": "S5" if decision.retry else "S6",
            "kind": decision.kind,
            "wait_s": round(decision.wait_s, 1),
            "error": type(error).__name__,
        }
        if is_expected(error):
            log.warning("an attempt ended", extra=extra)
        else:
            log.exception("an attempt ended with a defect", extra=extra)
        # After a defect nobody can tell what goes on outside; a prompt of such a call is deleted when it shows up.
        outcome = getattr(error, "outcome", "unknown")
        detail = getattr(error, "detail", "") or type(error).__name__
        if hold.call.provider:
            decision = self._brake(hold.call.provider, error, decision)
        try:
            if self._change_over(error, hold, decision, detail=detail, outcome=outcome):
                return
            if decision.retry:
                self._insist(
                    moves.retry_step,
                    held,
                    hold.call.id,
                    kind=decision.kind,
                    detail=detail,
                    wait_s=decision.wait_s,
                    counts=decision.counts,
                    outcome=outcome,
                )
            else:
                self._insist(
                    moves.fail_step,
                    held,
                    hold.call.id,
                    kind=decision.kind,
                    reason=REASONS[decision.kind],
                    detail=detail,
                    outcome=outcome,
                )
        except ClaimLost:
            log.info("the step is no longer ours", extra=extra)

    def _change_over(self, error: Exception, hold: Hold, decision: Decision, *, detail: str, outcome: str) -> bool:
        """Whether the step goes on by an alternative instead. Raises ClaimLost."""
        why = reason_of(error, decision)
        if why is None:
            return False
        rung = self._insist(
            self.ladder.leave, hold.held, hold.call.id, why, kind=decision.kind, detail=detail, outcome=outcome
        )
        if rung is not None:
            log.warning("the step changes over", extra={"move": "S5", "why": why, "rung": rung.number})
        return rung is not None

    def _brake(self, provider: str, error: Exception, decision: Decision) -> Decision:
        """Tell everybody else; the provider's pause then keeps the step back, so that lifting it is enough."""
        if isinstance(error, ContentRefused | BadInput):
            self._insist(brake.note_success, provider, self.settings.provider(provider).limit)
            return decision
        self._insist(brake.note_error, provider, error, decision.wait_s, self.settings)
        return replace(decision, wait_s=0.0) if isinstance(error, Busy | AccountRefused | Braked) else decision

    def _insist(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Write, and again while the database is away: what is made is kept until it can be written down.

        The claim runs out meanwhile; then the next attempt adopts the call, and this write hits no row.
        """
        insist = Retrying(
            retry=retry_if_exception_type(DatabaseAway),
            wait=wait_random_exponential(multiplier=0.5, max=5),
            stop=stop_after_delay(300),
            reraise=True,
        )
        return insist(self.database.write, function, *args, **kwargs)


def load_work(session: Session, step_id: int, read: Callable[[str], bytes]) -> tuple[Work, float, int, dict[str, str]]:
    """An attempt's work, its time limit in seconds, the failures before it, and by which ids people know it.

    `read(path)`: the bytes of a file. Raises ClaimLost when the source picture is gone.
    """
    whole = joinedload(Step.task).options(joinedload(Task.order), joinedload(Task.recipe), joinedload(Task.photo))
    step = session.get_one(Step, step_id, options=[whole])
    task = step.task
    document = task.recipe.document
    options = with_defaults(document["options"], task.options)
    source = task.photo.path
    if step.position > 0:
        source = session.scalar(
            select(Image.path)
            .join(Step, Step.id == Image.step_id)
            .where(Image.task_id == task.id, Step.position == step.position - 1)
            .order_by(Image.id)
            .limit(1)
        )
    if source is None:
        raise ClaimLost()  # the order was deleted this instant
    path = source
    seed = int(options.get("seed", task.seed))
    work = Work(document_of(document, step.position, step.rung), options, seed, lambda: read(path))
    return work, step.timeout_s, step.failures, {"task_id": task.task_id, "order_id": task.order.order_id}
