"""Commit first, ring after: what the world is told of, another connection can read."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.database import Database, outbox_of
from jobs.database.session import Outbox
from jobs.farm import Farm
from jobs.orders.models import Step
from tests.builders import accept


def test_what_is_rung_for_is_committed(farm: Farm) -> None:
    beside = Database(farm.settings.database)
    told: list[tuple[str, int, int]] = []
    seen: list[tuple[int, str]] = []

    def listen(outbox: Outbox) -> None:
        told.extend(outbox.due)
        seen.extend(beside.read(lambda session: [(step.id, step.status) for step in session.scalars(select(Step))]))

    farm.database.after_commit = listen
    accept(farm)
    beside.dispose()
    [(resource, step_id, attempt)] = told
    assert (resource, attempt) == ("comfyui", 1)
    assert (step_id, "queued") in seen


def test_what_is_rolled_back_is_not_told(farm: Farm) -> None:
    told: list[Outbox] = []
    farm.database.after_commit = told.append

    def ring_and_break(session: Session) -> None:
        outbox_of(session).due.append(("comfyui", 1, 1))
        raise LookupError("undone")

    with pytest.raises(LookupError):
        farm.database.write(ring_and_break)
    assert told == []
