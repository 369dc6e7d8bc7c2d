"""Redis wiped while a full queue waits: every ring is gone, and the reconciler rings again."""

from __future__ import annotations

import time

from scripts.benching.farm import Farm, farm, stand_ins
from scripts.benching.rig import Bench, eventually
from scripts.recovering.outcomes import Recovery
from scripts.recovering.prompts import PATIENCE_SECONDS, WORKERS, admin_of, settings_for, submit
from scripts.recovering.watching import Watch, watching

WAITING = 100
PROMPT_SECONDS = 2.0
HOW = (
    "FLUSHALL with {waiting} tasks waiting, {workers} workers and servers of {seconds:g} s; from there until as many "
    "steps as there are workers have been claimed, so that each of them needed a new ring"
)


def measure(bench: Bench) -> list[Recovery]:
    """Wipe, see the work go on, fill the queue up again."""
    workers, waiting = bench.choose(WORKERS, 2), bench.choose(WAITING, 8)
    prompt = bench.choose(PROMPT_SECONDS, 0.5)
    seconds: list[float] = []
    with (
        stand_ins(bench, servers=workers, seconds=prompt) as servers,
        farm(bench, servers.urls, **settings_for(bench, workers)) as started,
        watching(started.database_url) as (watch,),
        admin_of(started) as client,
    ):
        while len(seconds) < bench.repeats:
            fill(started, watch, workers, waiting)
            wiped_at = time.time()
            client.flushall()
            taken = wait_until_taken(watch, wiped_at, workers)
            seconds.append(taken - wiped_at)
            bench.say(f"wipes: {len(seconds)}, {workers} steps taken after {seconds[-1]:.2f} s")
        watch.must_have_succeeded(seconds=PATIENCE_SECONDS)
    how = HOW.format(waiting=waiting, workers=workers, seconds=prompt)
    return [Recovery("Redis wiped", how, "s", seconds, 10.0, 10.0)]


def fill(started: Farm, watch: Watch, workers: int, waiting: int) -> None:
    """Every worker in work, and so many tasks behind them."""
    submit(started, max(waiting - watch.count_tasks()["queued"], 0))
    eventually(lambda: len(watch.running()) >= workers, "every worker works")
    submit(started, max(waiting - watch.count_tasks()["queued"], 0))


def wait_until_taken(watch: Watch, moment: float, steps: int) -> float:
    """When that many steps had been claimed since a moment. Raises NotMeasured."""

    def look() -> float | None:
        taken = watch.list_taken(moment)
        return taken[steps - 1] if len(taken) >= steps else None

    return eventually(look, "work goes on", PATIENCE_SECONDS)
