"""A pool's rehearsal plays a step through every move, and nothing of it is left."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.database import Base
from jobs.engine import rings
from jobs.engine.rehearsal import rehearse
from jobs.farm import Farm
from jobs.orders import moves
from tests.builders import accept, must_claim, stock


def count_rows(session: Session) -> dict[str, int]:
    return {
        table.name: session.scalar(select(func.count()).select_from(table)) or 0
        for table in Base.metadata.sorted_tables
    }


def test_a_rehearsal_leaves_no_row_and_no_ring(farm: Farm) -> None:
    stock(farm)
    before = farm.database.read(count_rows)
    rehearse(farm.database, farm.taker("comfyui").claims, "comfyui")
    assert farm.database.read(count_rows) == before
    assert rings.count_rings(farm.redis, "comfyui") == 0


def test_a_step_that_is_due_stays_due_through_a_rehearsal(farm: Farm) -> None:
    stock(farm)
    (task_id,) = accept(farm, 1)
    rehearse(farm.database, farm.taker("comfyui").claims, "comfyui")
    claim = must_claim(farm)
    assert (claim.held.task_id, claim.held.attempt) == (task_id, 1)


def test_a_rehearsal_reaches_the_end_of_the_step(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    finished = []
    real = moves.finish_step
    monkeypatch.setattr(moves, "finish_step", lambda *args, **kwargs: finished.append(real(*args, **kwargs)))
    rehearse(farm.database, farm.taker("api").claims, "api")
    assert finished == [True]
