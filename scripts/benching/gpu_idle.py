"""How long a server is idle between two prompts while there is a backlog: two in flight per server should hide it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from scripts.benching.farm import farm, stand_ins
from scripts.benching.figures import Figure, percentile
from scripts.benching.makespan import play
from scripts.benching.rig import Bench

SERVERS = 5
SECONDS = 2.0
TASKS = 50
TARGET_MS = 30.0
HOW = (
    "{tasks} orders at once, 10 workers on 5 stand-ins of {seconds} s: between the end of a prompt and the start of "
    "the next at the same server, by the stand-ins' own log, {part} of all"
)


def measure(bench: Bench) -> list[Figure]:
    """Rounds of a backlog on one farm."""
    tasks, seconds = bench.choose(TASKS, 15), bench.choose(SECONDS, 0.3)
    rounds: list[list[float]] = []
    with stand_ins(bench, servers=SERVERS, seconds=seconds) as servers, farm(bench, servers.urls) as started:
        play(started, tasks=SERVERS, name="warm-up")
        for number in range(bench.repeats):
            begun = time.time()
            play(started, tasks=tasks, name=f"round-{number}")
            rounds.append([1000 * gap for gap in find_gaps(servers.rows_after(begun))])
            bench.say(f"GPU idle, round {number + 1}: median {percentile(rounds[-1], 0.5):.1f} ms")
    how = {"tasks": tasks, "seconds": f"{seconds:g}"}
    medians, high = ([percentile(gaps, part) for gaps in rounds] for part in (0.5, 0.95))
    return [
        Figure("GPU idle median", HOW.format(part="median", **how), "ms", medians, TARGET_MS),
        Figure("GPU idle p95", HOW.format(part="p95", **how), "ms", high),
    ]


def find_gaps(rows: Iterable[dict[str, Any]]) -> list[float]:
    """Seconds between the end of a prompt and the next start, at each server. Pure."""
    ended: dict[int, float] = {}
    gaps = []
    for row in rows:
        if row["event"] == "end":
            ended[row["port"]] = row["t"]
        elif row["event"] == "start" and row["port"] in ended:
            gaps.append(row["t"] - ended.pop(row["port"]))
    return gaps
