"""One case from its point through its harm to the verdict, as far as all files of cases have it in common."""

from __future__ import annotations

import time

from tests.faults.harm import Harm, freeze, kill_both, kill_it, kill_pool
from tests.faults.judge import Verdict, judge
from tests.faults.points import Point, Scene, held_at

KILLS: dict[str, Harm] = {"worker killed": kill_it, "pool killed": kill_pool, "both killed": kill_both}
FROZEN = "worker frozen, woken"
FREEZE: dict[str, Harm] = {FROZEN: freeze}


def play(scene: Scene, point: Point, harm: Harm, *, extra_allowed: int) -> tuple[Verdict, float]:
    """The verdict, and the seconds from the harm until it was spoken. What was held must have been taken away."""
    farm = scene.farm
    since = len(farm.stand_in.log())
    with held_at(point, scene) as standing:
        held = farm.rows("SELECT id, attempt FROM steps WHERE status = 'running' ORDER BY id")
        began = time.monotonic()
        harm(farm, standing)
    verdict = judge(scene, extra_allowed=extra_allowed, since=since)
    attempts = {row["id"]: row["attempt"] for row in farm.rows("SELECT id, attempt FROM steps")}
    assert not held or any(attempts[row["id"]] > row["attempt"] for row in held), "what was held was never taken away"
    return verdict, time.monotonic() - began
