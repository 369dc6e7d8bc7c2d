"""An idle farm: from the 202 to the server's receipt of the prompt, and from the prompt's end to the answer."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from scripts.benching import photos
from scripts.benching.booths import Booth, Trip
from scripts.benching.farm import STYLE, StandIns, farm, stand_ins
from scripts.benching.figures import Figure, percentile
from scripts.benching.makespan import hash_of
from scripts.benching.peers import Peer, peers
from scripts.benching.rig import Bench

SERVERS = 10
ORDERS = 40
SECONDS = 0.1
GAP_SECONDS = (0.15, 0.35)
"""Between two orders, by chance: nothing on either side may fall into step."""
P50_MS, P95_MS, ANSWER_P95_MS = 25.0, 60.0, 300.0
HOW = (
    "{orders} single orders on an idle farm, one after the other: from the 202 at the booth to POST /prompt at the "
    "stand-in{part}. Beside it: the bare job, enqueued to begun"
)
ANSWER_HOW = "the same orders: from the prompt's end at the stand-in to the long poll answered with succeeded, p95"


def measure(bench: Bench) -> list[Figure]:
    """Rounds of single orders; the peers do the same in between."""
    orders = bench.choose(ORDERS, 4)
    dispatch: list[list[float]] = []
    answers: list[list[float]] = []
    beside: dict[str, list[list[float]]] = {}
    with (
        stand_ins(bench, servers=SERVERS, seconds=SECONDS) as servers,
        farm(bench, servers.urls) as started,
        peers(bench) as others,
    ):
        booths = started.booths()
        play(booths, servers, orders=SERVERS, name="warm-up")
        for number in range(bench.repeats):
            to_server, to_booth = play(booths, servers, orders=orders, name=f"round-{number}")
            dispatch.append(to_server)
            answers.append(to_booth)
            bench.say(
                f"dispatch, round {number + 1}: the farm p50 {percentile(to_server, 0.5):.1f} ms, "
                f"p95 {percentile(to_server, 0.95):.1f} ms; end to answer p95 {percentile(to_booth, 0.95):.1f} ms"
            )
            for peer in others:
                beside.setdefault(peer.name, []).append(run_peer(peer, orders))
                p50 = percentile(beside[peer.name][-1], 0.5)
                bench.say(f"dispatch, round {number + 1}: {peer.name} p50 {p50:.1f} ms")

    def figure(name: str, part: float, target: float) -> Figure:
        others = {name: of_each(rounds, part) for name, rounds in beside.items()}
        how = HOW.format(orders=orders, part=f", p{part * 100:.0f}")
        return Figure(name, how, "ms", of_each(dispatch, part), target, others)

    return [
        figure("idle dispatch p50", 0.5, P50_MS),
        figure("idle dispatch p95", 0.95, P95_MS),
        Figure("end to answer p95", ANSWER_HOW, "ms", of_each(answers, 0.95), ANSWER_P95_MS),
    ]


def of_each(rounds: Sequence[Sequence[float]], part: float) -> list[float]:
    """The percentile of every round."""
    return [percentile(values, part) for values in rounds]


def play(booths: Sequence[Booth], servers: StandIns, *, orders: int, name: str) -> tuple[list[float], list[float]]:
    """Single orders; milliseconds from the 202 to the server, and from the prompt's end to the answer."""
    begun = time.time()
    chance = random.Random(name)
    trips: list[Trip] = []
    for number in range(orders):
        booth = booths[number % len(booths)]
        trip = booth.submit(f"{name}-{number}", photos.small(hash_of(name) + number), STYLE)
        booth.fetch(trip, booth.follow(trip))
        trips.append(trip)
        time.sleep(chance.uniform(*GAP_SECONDS))
    rows = servers.rows_after(begun)
    received, ended = ([row["t"] for row in rows if row["event"] == event] for event in ("submit", "end"))
    if not len(received) == len(ended) == len(trips):
        raise ValueError(f"{len(trips)} orders, but {len(received)} prompts sent and {len(ended)} ended")
    to_server = [(at - trip.accepted_at) * 1000 for trip, at in zip(trips, received, strict=True)]
    to_booth = [(trip.ready_at - at) * 1000 for trip, at in zip(trips, ended, strict=True)]
    return to_server, to_booth


def run_peer(peer: Peer, orders: int) -> list[float]:
    """Milliseconds from a job's enqueueing to its beginning, with nothing else to do."""
    enqueued, rows = peer.run(orders, seconds=SECONDS, gap=0.25)
    return [(row["started"] - at) * 1000 for row, at in zip(rows, enqueued, strict=True)]
