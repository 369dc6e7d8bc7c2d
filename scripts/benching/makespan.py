"""The makespan: 50 tasks at once on 10 workers and 10 servers of 2 s, against the ideal of 10 s."""

from __future__ import annotations

from scripts.benching import photos
from scripts.benching.booths import Trip, play_together
from scripts.benching.farm import STYLE, Farm, farm, stand_ins
from scripts.benching.figures import Figure
from scripts.benching.peers import Peer, peers
from scripts.benching.rig import Bench
from scripts.rushing.timing import find_ideal

SERVERS = 10
SECONDS = 2.0
TASKS = 50
TARGET = 1.05
HOW = (
    "{tasks} orders of one small photo at the same instant, 10 workers, 10 stand-ins of {seconds} s with a prepared "
    "picture; first POST to last picture fetched, over the ideal of {ideal} s. Beside it: the bare jobs, first "
    "enqueued to last one answered"
)


def measure(bench: Bench) -> list[Figure]:
    """The farm and its peers in turn, round by round."""
    tasks, seconds = bench.choose(TASKS, 6), bench.choose(SECONDS, 0.2)
    ideal = find_ideal([0.0] * tasks, slots=SERVERS, seconds=seconds)
    rounds: list[float] = []
    beside: dict[str, list[float]] = {}
    with (
        stand_ins(bench, servers=SERVERS, seconds=seconds) as servers,
        farm(bench, servers.urls) as started,
        peers(bench) as others,
    ):
        play(started, tasks=SERVERS, name="warm-up")
        for number in range(bench.repeats):
            trips = play(started, tasks=tasks, name=f"round-{number}")
            rounds.append(span_of(trips) / ideal)
            bench.say(f"makespan, round {number + 1}: the farm {rounds[-1]:.3f}")
            for peer in others:
                beside.setdefault(peer.name, []).append(run_peer(peer, tasks, seconds) / ideal)
                bench.say(f"makespan, round {number + 1}: {peer.name} {beside[peer.name][-1]:.3f}")
    how = HOW.format(tasks=tasks, seconds=f"{seconds:g}", ideal=f"{ideal:g}")
    return [Figure("makespan", how, "× ideal", rounds, TARGET, beside)]


def play(started: Farm, *, tasks: int, name: str) -> list[Trip]:
    """That many orders at once, each followed to its picture."""
    booths = started.booths(tasks)
    sent = [photos.small(hash_of(name) + number) for number in range(tasks)]
    try:
        return play_together(booths, lambda booth, number: booth.order(f"{name}-{number}", sent[number], STYLE))
    finally:
        for booth in booths:
            booth.close()


def hash_of(name: str) -> int:
    """A number of its own for each name: a server that gets the same photo twice answers from its cache."""
    return sum(256**place * letter for place, letter in enumerate(name.encode())) % 1_000_003 * 1_000


def span_of(trips: list[Trip]) -> float:
    """Seconds from the first POST to the last picture."""
    return max(trip.fetched_at for trip in trips) - min(trip.sent_at for trip in trips)


def run_peer(peer: Peer, tasks: int, seconds: float) -> float:
    """Seconds from the first job enqueued to the last one answered."""
    enqueued, rows = peer.run(tasks, seconds=seconds)
    return max(row["answered"] for row in rows) - min(enqueued)
