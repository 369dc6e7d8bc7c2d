"""A worker's hold: its own clock says when a claim is as good as lost, and a database that is away is no defect."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from jobs.engine import hold as hold_module
from jobs.engine.claims import Claim
from jobs.engine.hold import Hold
from jobs.errors import ClaimLost, DatabaseAway
from jobs.errors.steps import LocalTrouble
from jobs.orders.calls import OpenCall
from jobs.orders.moves import Held


class GoneDatabase:
    """A database that does not answer."""

    def write(self, *args: Any, **kwargs: Any) -> None:
        raise DatabaseAway()

    read = write


def make_hold() -> Hold:
    call = OpenCall(1, 1, "comfyui", None, "http://comfy", "id", None, None, opened_at=None)  # type: ignore[arg-type]
    claim = Claim(Held(1, 1, 1, 1, "worker-1"), call, adopted=False)
    return Hold(GoneDatabase(), None, claim, asked_at=time.monotonic(), claim_s=30, timeout_s=60, grace_s=90)  # type: ignore[arg-type]


def test_a_claim_is_as_good_as_lost_after_two_thirds_without_a_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(hold_module.time, "monotonic", lambda: now[0])
    hold = make_hold()
    now[0] += 19.9
    hold.check()
    assert hold.seconds_left() == pytest.approx(40.1)
    now[0] += 0.2
    with pytest.raises(ClaimLost):
        hold.check()


@pytest.mark.parametrize(
    "ask",
    [
        lambda hold: hold.mark_sent(),
        lambda hold: hold.replace_lost(),
        lambda hold: hold.keep_remote_id("req-1"),
        lambda hold: hold.set_aside("does not answer"),
        lambda hold: hold.is_followed("id"),
    ],
    ids=["mark_sent", "replace_lost", "keep_remote_id", "set_aside", "is_followed"],
)
def test_no_question_of_an_executor_lets_a_database_that_is_away_through(ask: Callable[[Hold], object]) -> None:
    try:
        ask(make_hold())
    except (LocalTrouble, ClaimLost):
        pass  # the two answers that an executor may get instead
