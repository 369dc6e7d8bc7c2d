"""All servers away for five minutes with a full queue: nothing fails, and then it is drained as quickly as ever."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from scripts.benching.farm import Farm, farm
from scripts.benching.rig import Bench, eventually
from scripts.recovering.outcomes import Recovery
from scripts.recovering.prompts import (
    PATIENCE_SECONDS,
    WORKERS,
    held_prompts,
    release,
    rows_after,
    settings_for,
    submit,
)
from scripts.recovering.servers import ServerProcess, server_processes
from scripts.recovering.watching import Watch, watching

WAITING = 100
PROMPT_SECONDS = 3.0
OUTAGE_SECONDS = 300.0
LEAST_SPEED = 0.9
HOW_SPEED = (
    "{waiting} tasks waiting behind {workers} prompts, servers of {seconds:g} s: first prompt begun to last prompt "
    "ended, per prompt, after kill -9 of all servers and {outage:g} s without them, over the quicker of two drains "
    "without an outage"
)
HOW_FAILED = "tasks of those {all} that did not succeed"
HOW_BACK = "from the moment at which the servers listen again until the first prompt begins there"


def measure(bench: Bench) -> list[Recovery]:
    """A drain after the outage between two normal ones, in the same farm; the quicker of those is the measure.

    Once, however many repeats are asked for.
    """
    workers, waiting = bench.choose(WORKERS, 2), bench.choose(WAITING, 6)
    prompt, outage = bench.choose(PROMPT_SECONDS, 0.5), bench.choose(OUTAGE_SECONDS, 5.0)
    with (
        server_processes(bench, processes=1, servers_each=workers, seconds=prompt) as ((servers,), log),
        farm(bench, servers.urls, **settings_for(bench, workers)) as started,
        watching(started.database_url) as (watch,),
    ):
        normal = drain(started, watch, servers, log, workers, waiting)
        bench.say(f"a normal drain: {normal:.3f} s for each prompt")
        before = watch.count_tasks()["succeeded"]
        with held_prompts(started, watch, servers.urls, log, workers):
            submit(started, waiting)
            servers.signal(signal.SIGKILL)
            bench.say(f"all servers are away for {outage:g} s")
            time.sleep(outage)
            servers.end()
            started_at = time.time()
            servers.start()
            servers.wait_until_up()
            back_at = time.time()
        counts = watch.wait_until_done(seconds=PATIENCE_SECONDS * 2)
        after = pace(log, started_at)
        first = rows_after(log, started_at, "start")[0]["t"]
        bench.say(f"after the outage: {after:.3f} s for each prompt")
        normal = min(normal, drain(started, watch, servers, log, workers, waiting))
        bench.say(f"a normal drain, the quicker of two: {normal:.3f} s for each prompt")
    failed = before + workers + waiting - counts["succeeded"]
    told = HOW_SPEED.format(waiting=waiting, workers=workers, seconds=prompt, outage=outage)
    return [
        Recovery("drain after an outage", told, "× normal", [after / normal], None, round(1 / LEAST_SPEED, 3)),
        Recovery("failed by the outage", HOW_FAILED.format(all=workers + waiting), "tasks", [failed], None, 0.0),
        Recovery("back to work after an outage", HOW_BACK, "s", [max(first - back_at, 0.0)]),
    ]


def drain(started: Farm, watch: Watch, servers: ServerProcess, log: Path, workers: int, waiting: int) -> float:
    """Seconds for each prompt when nothing is wrong."""
    with held_prompts(started, watch, servers.urls, log, workers):
        submit(started, waiting)
        begun = time.time()
        release(servers.urls)
        watch.wait_until_done(seconds=PATIENCE_SECONDS * 2)
    return pace(log, begun)


def pace(log: Path, moment: float) -> float:
    """Of the prompts that began after a moment: first start to last end, divided by their number."""
    starts = {row["prompt_id"]: row["t"] for row in rows_after(log, moment, "start")}
    ends = eventually(
        lambda: [row["t"] for row in rows_after(log, moment, "end") if row["prompt_id"] in starts], "prompts ended"
    )
    return (max(ends) - min(starts.values())) / len(starts)
