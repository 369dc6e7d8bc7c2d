"""The mutants: what is replaced in which file, and the narrowest tests that must turn red. Values only.

Every text must stand in its file exactly once, so that a mutant cannot silently stop being one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Change:
    """One replacement in one file."""

    path: str
    before: str
    after: str


@dataclass(frozen=True)
class Mutant:
    """A farm without one of its mechanisms. `tests`: pytest's names of those that must notice."""

    name: str
    invariants: str
    changes: Sequence[Change]
    tests: Sequence[str]


KILLS = "tests/acceptance/test_kills.py"

MUTANTS: Sequence[Mutant] = (
    Mutant(
        "no call journal",
        "C1, I8",
        [
            Change(
                "jobs/comfyui/executor.py",
                "        control.mark_sent()\n        control.check()\n        try:\n            client.submit(",
                "        control.check()\n        try:\n            client.submit(",
            )
        ],
        [f"{KILLS}::test_i8_a_killed_worker_s_prompt_is_adopted"],
    ),
    Mutant(
        "attempt not in the WHERE",
        "S2 to S11, I6",
        [
            Change(
                "jobs/orders/moves.py",
                ".where(Step.id == step_id, Step.attempt == attempt, Step.status == before, *conditions)",
                ".where(Step.id == step_id, Step.status == before, *conditions)",
            )
        ],
        ["tests/integration/test_moves.py"],
    ),
    Mutant(
        "count without a transaction",
        "I4",
        [
            Change(
                "jobs/orders/intake.py",
                "        check_room(session, len(fresh), bounds.queue_limit)\n    if order is None:",
                "    if order is None:",
            )
        ],
        ["tests/integration/test_admission.py::test_a_rush_fills_the_queue_exactly"],
    ),
    Mutant(
        "ring before commit",
        "section 1",
        [
            Change(
                "jobs/database/session.py",
                "                    outbox = outbox_of(session)\n                break",
                "                    outbox = outbox_of(session)\n"
                "                    if outbox and self.after_commit is not None:\n"
                "                        self.after_commit(outbox)\n"
                "                        outbox = Outbox()\n"
                "                break",
            )
        ],
        ["tests/integration/test_outbox.py"],
    ),
    Mutant(
        "202 before commit",
        "I2",
        [
            Change(
                "web/api.py",
                "    added = farm().admission.admit(booth, submission, while_waiting=g.turn.step_aside)\n"
                "    order = load_order(farm(), booth, form.order_id)\n",
                "    __import__('threading').Timer(0.5, farm().admission.admit, (booth, submission)).start()\n"
                "    place = f'/api/v1/orders/{form.order_id}'\n"
                "    links = schemas.Links.model_construct(self=place)\n"
                "    order = schemas.Order.model_construct(order_id=form.order_id, tasks=[], links=links)\n"
                "    added = True\n",
            )
        ],
        [f"{KILLS}::test_i2_what_was_answered_202_survives_the_web_s_death_at_that_moment"],
    ),
    Mutant(
        "reconciler without the comparison of rings",
        "section 1, I13",
        [
            Change(
                "jobs/engine/reconcile.py",
                "for step_id, attempt in due[: max(missing, 0)]:",
                "for step_id, attempt in due[:0]:",
            )
        ],
        ["tests/integration/test_reconciler.py", f"{KILLS}::test_i13_a_wiped_redis_loses_nothing"],
    ),
    Mutant(
        "crash not counted",
        "S7, I12",
        [
            Change(
                "jobs/orders/repairs.py",
                "crashes = step.crashes + (1 if crashed else 0)",
                "crashes = step.crashes",
            )
        ],
        ["tests/integration/test_others_moves.py::test_the_second_crash_waits_and_the_third_is_poison"],
    ),
    Mutant(
        "claim never expires",
        "S7, I5",
        [
            Change(
                "jobs/orders/repairs.py",
                'select(Step.id).where(Step.status == "running", Step.claim_until < now)',
                'select(Step.id).where(Step.status == "never", Step.claim_until < now)',
            )
        ],
        [f"{KILLS}::test_i8_a_killed_pool_s_prompt_is_adopted"],
    ),
    Mutant(
        "POST retried by the HTTP adapter",
        "C2, I8",
        [
            Change(
                "jobs/comfyui/client.py",
                'self._session.mount("http://", HTTPAdapter(max_retries=0))',
                'self._session.mount("http://", HTTPAdapter(max_retries='
                '__import__("urllib3").Retry(3, allowed_methods=None, backoff_factor=0.05)))',
            )
        ],
        ["tests/contract/test_comfyui_client_faults.py"],
    ),
    Mutant(
        "workers that outlive their pool",
        "section 2, I5",
        [Change("jobs/engine/pool.py", "        die_with_parent(pool_pid)\n", "")],
        [f"{KILLS}::test_i8_a_killed_pool_s_prompt_is_adopted"],
    ),
    Mutant(
        "beat that goes on while the job hangs",
        "S3, I5",
        [
            Change(
                "jobs/engine/hold.py",
                "            if self.seconds_left() < -self._grace_s:\n",
                "            if self._over.is_set():\n",
            )
        ],
        ["tests/integration/test_hanging_steps.py"],
    ),
    Mutant(
        "lock that decides instead of the index",
        "section 3, I3",
        [
            Change(
                "jobs/orders/intake.py",
                "    tasks = {digest: _find_task(session, order, request, digest) if order else None"
                " for digest in request.digests}\n    fresh",
                "    tasks = {digest: None for digest in request.digests}\n    fresh",
            ),
            Change(
                "migrations/versions/0001_create_the_tables.py",
                '        sa.UniqueConstraint("order_id", "photo_sha256", "style", "options_key", "take",'
                ' name="uq_tasks_identity"),\n',
                "",
            ),
        ],
        ["tests/integration/test_admission.py::test_twenty_identical_submissions_are_taken_once_without_redis_too"],
    ),
    Mutant(
        "history asked before queue",
        "C3, I8",
        [
            Change(
                "jobs/comfyui/executor.py",
                "                queue = client.queue()\n"
                "                ending = None if prompt_id in queue else client.history(prompt_id)\n",
                "                ending = client.history(prompt_id)\n                queue = client.queue()\n",
            )
        ],
        ["tests/contract/test_comfyui_executor.py"],
    ),
    Mutant(
        "open calls of dead workers not counted",
        "C6, I10, I23",
        [
            Change(
                "jobs/orders/calls.py",
                "        select(Call.provider, Call.server, func.count())\n"
                '        .where(Call.resource == resource, Call.state.in_(("open", "closing")))\n',
                "        select(Call.provider, Call.server, func.count())\n"
                "        .join(Step, Step.id == Call.step_id)\n"
                '        .where(Call.resource == resource, Call.state.in_(("open", "closing")))\n'
                '        .where(Step.status == "running")\n',
            )
        ],
        ["tests/integration/test_claims.py"],
    ),
    Mutant(
        "paid calls sent in a pause that came after the claim",
        "section 4",
        [
            Change(
                "jobs/cloud/brake.py",
                "    if find_pause(session, scope_of(provider)) is not None:\n        raise Braked()\n",
                "",
            )
        ],
        ["tests/integration/test_brake.py"],
    ),
    Mutant(
        "no ramp after a provider's pause",
        "section 4",
        [
            Change(
                "jobs/cloud/brake.py",
                "brake.allowed, brake.failures, brake.failed_since = FIRST_ALLOWED, 0, None",
                "brake.allowed, brake.failures, brake.failed_since = None, 0, None",
            )
        ],
        ["tests/integration/test_brake.py"],
    ),
    Mutant(
        "steps with a call on its way change over",
        "S12, I8",
        [
            Change("jobs/orders/rungs.py", '        "queued",\n        nothing_outside,\n', '        "queued",\n'),
            Change(
                "jobs/engine/ladder.py",
                '.where(Step.status == "queued", Call.id.is_(None))',
                '.where(Step.status == "queued")',
            ),
        ],
        ["tests/integration/ladder/test_changing_over.py"],
    ),
    Mutant(
        "files are looked for by their rows only",
        "I21",
        [Change("jobs/erasure/eraser.py", "[*debt.names, *self.storage.list_of_order(debt.order_id)]", "debt.names")],
        ["tests/integration/test_erasures.py"],
    ),
    Mutant(
        "the first look is the last",
        "I21",
        [
            Change("jobs/erasure/owed.py", "elif row.id in settled:", "else:  # whatever may still be written"),
            Change("jobs/erasure/owed.py", "        else:\n            row.again_at = row.settles_at\n", ""),
        ],
        ["tests/integration/test_erasures.py"],
    ),
    Mutant(
        "a deletion does not keep the intake waiting",
        "I21",
        [Change("jobs/erasure/orders.py", "    advisory_lock(session, intake.ADMISSION_LOCK)\n", "")],
        ["tests/integration/test_erasures.py"],
    ),
    Mutant(
        "events are dropped before they are counted",
        "totals",
        [Change("jobs/orders/events.py", "uncounted.order_id == Order.id, uncounted.id > counted", "uncounted.id < 0")],
        ["tests/integration/test_retention.py"],
    ),
    Mutant(
        "the sweeper follows links",
        "I21",
        [Change("worker_configs/comfyui_host/sweeper.py", "os.O_DIRECTORY | os.O_NOFOLLOW", "os.O_DIRECTORY")],
        ["tests/integration/test_sweeper.py"],
    ),
)


def apply(mutant: Mutant, root: Path) -> None:
    """Change the files below `root`. Raises ValueError when a text is not there exactly once."""
    for change in mutant.changes:
        path = root / change.path
        text = path.read_text(encoding="utf-8")
        count = text.count(change.before)
        if count != 1:
            raise ValueError(f"{mutant.name}: its text stands {count} times in {change.path}")
        path.write_text(text.replace(change.before, change.after), encoding="utf-8")
