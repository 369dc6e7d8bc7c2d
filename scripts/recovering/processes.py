"""Workers and pools killed with kill -9 while their prompts are in their middle."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import ExitStack

from scripts.benching.farm import farm, stand_ins
from scripts.benching.rig import Bench
from scripts.recovering.outcomes import Recovery
from scripts.recovering.prompts import PATIENCE_SECONDS, SHORT_SECONDS, WORKERS, admin_of, held_prompts, settings_for
from scripts.recovering.watching import watching

POOLS_AT_ONCE = 4
PAUSE_SECONDS = 1.0
BEAT_SECONDS = 10.0
HOW_WORKER = (
    "kill -9 of one of {workers} workers in the middle of its prompt, one after another; from the kill until the step "
    "is claimed again, which adopts the prompt"
)
HOW_POOL = (
    "kill -9 of a pool with {workers} prompts in their middle, in {farms} farms one second apart, anywhere between two "
    "beats; from the kill until the last of its {workers} steps is claimed again, which adopts the prompts"
)


def measure_workers(bench: Bench) -> list[Recovery]:
    """A worker's death is seen by its pool at once."""
    workers = bench.choose(WORKERS, 2)
    seconds: list[float] = []
    with (
        stand_ins(bench, servers=workers, seconds=SHORT_SECONDS) as servers,
        farm(bench, servers.urls, **settings_for(bench, workers)) as started,
        watching(started.database_url) as (watch,),
        admin_of(started) as client,
    ):
        while len(seconds) < bench.repeats:
            with held_prompts(started, watch, servers.urls, servers.log, workers) as claims:
                for claimed in claims[: bench.repeats - len(seconds)]:
                    pid = int(client.hget(f"rq:worker:{claimed.worker}", "pid"))
                    killed_at = time.time()
                    os.kill(pid, signal.SIGKILL)
                    seconds.append(watch.wait_until_taken(claimed, seconds=PATIENCE_SECONDS) - killed_at)
            watch.must_have_succeeded(seconds=PATIENCE_SECONDS)
            bench.say(f"workers killed: {len(seconds)}, the last one's step taken again after {seconds[-1]:.2f} s")
    return [Recovery("worker killed", HOW_WORKER.format(workers=workers), "s", seconds, 3.0, 5.0)]


def measure_pools(bench: Bench) -> list[Recovery]:
    """Nobody is left to see a pool's death: the claims of its workers run out."""
    workers, count = bench.choose(WORKERS, 2), min(bench.repeats, bench.choose(POOLS_AT_ONCE, 1))
    seconds: list[float] = []
    with ExitStack() as stack:
        fleets = []
        for _ in range(count):
            servers = stack.enter_context(stand_ins(bench, servers=workers, seconds=SHORT_SECONDS))
            fleets.append((servers, stack.enter_context(farm(bench, servers.urls, **settings_for(bench, workers)))))
        watches = stack.enter_context(watching(*(started.database_url for _, started in fleets)))
        while len(seconds) < bench.repeats:
            with ExitStack() as round_:
                claims = [
                    round_.enter_context(held_prompts(started, watch, servers.urls, servers.log, workers))
                    for (servers, started), watch in zip(fleets, watches, strict=True)
                ]
                time.sleep(random.uniform(0.0, bench.choose(BEAT_SECONDS, 1.0)))  # anywhere between two beats
                killed_at = []
                for _, started in fleets[: bench.repeats - len(seconds)]:
                    pool = started.pools()[0]
                    killed_at.append(time.time())
                    pool.kill()
                    time.sleep(PAUSE_SECONDS)
                for moment, held, watch in zip(killed_at, claims, watches, strict=False):
                    taken = [watch.wait_until_taken(claimed, seconds=PATIENCE_SECONDS) for claimed in held]
                    seconds.append(max(taken) - moment)
            for watch in watches:
                watch.must_have_succeeded(seconds=PATIENCE_SECONDS)
            bench.say(f"pools killed: {len(seconds)}, the last one's steps taken again after {seconds[-1]:.1f} s")
    return [Recovery("pool killed", HOW_POOL.format(workers=workers, farms=count), "s", seconds, 35.0, 40.0)]
