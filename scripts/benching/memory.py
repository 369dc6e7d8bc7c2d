"""Memory of 15 workers and their two pools (PSS): at rest, and the peak during a rush."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import psutil

from scripts.benching import photos
from scripts.benching.booths import Trip, play_together
from scripts.benching.farm import PICTURE, STYLE, Farm, farm, stand_ins
from scripts.benching.figures import CELERY_PREFORK, RQ, Figure
from scripts.benching.peers import Peer, peers
from scripts.benching.rig import Bench, pss_of, python_module, read_line, running
from scripts.launch import STAND_IN_NICE
from scripts.simulators.photos import portrait

SERVERS = 10
SECONDS = 2.0
CLOUD_STYLE = "watercolour-cloud"
WORKERS = {"comfyui": 10, "api": 5}
TASKS = {"comfyui": 40, "api": 10}
AT_REST_MIB, RUSH_MIB = 300.0, 450.0
REST_SECONDS = 5.0
SAMPLE_SECONDS = 0.2
HOW_REST = (
    "PSS of the two pools and their 10 + 5 workers, some seconds after the start. Beside it: both pools of the peer"
)
HOW_RUSH = (
    "the same while {comfyui} orders for ComfyUI and {api} for the cloud, each of one photo of 900 × 1200, come at "
    "once (pictures {picture}): the highest of samples every 0.2 s. Beside it: as many bare jobs"
)
HOW_LARGE = "the same with photos of 12 megapixels and 3 MB, on the same farm afterwards"


class Peak:
    """The highest sample of a family of processes."""

    def __init__(self) -> None:
        self.mib = 0.0


@contextmanager
def watched(look: Callable[[], Sequence[psutil.Process]]) -> Iterator[Peak]:
    """Samples their memory in a thread while the block runs."""
    peak, over = Peak(), threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_SECONDS):
            peak.mib = max(peak.mib, pss_of(look()))

    thread = threading.Thread(target=sample, name="memory")
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def measure(bench: Bench) -> list[Figure]:
    """A fresh farm and fresh peers for each round."""
    tasks = bench.choose(TASKS, {"comfyui": 3, "api": 1})
    ordinary = [portrait(number) for number in range(sum(tasks.values()))]
    cameras = [photos.camera(number) for number in range(len(ordinary))]
    rest: list[float] = []
    rush: list[float] = []
    large: list[float] = []
    rest_beside: dict[str, list[float]] = {}
    rush_beside: dict[str, list[float]] = {}
    for number in range(bench.repeats):
        at_rest, peak, large_peak = measure_farm(bench, tasks, ordinary, cameras)
        rest.append(at_rest)
        rush.append(peak)
        large.append(large_peak)
        bench.say(
            f"memory, round {number + 1}: the farm {at_rest:.0f} MiB at rest, {peak:.0f} MiB during a rush, "
            f"{large_peak:.0f} MiB with large photos"
        )
        for name in (RQ, CELERY_PREFORK):
            with peers(bench, queues=WORKERS, names=[name]) as others:
                for peer in others:
                    at_rest, peak = measure_peer(peer, tasks)
                    rest_beside.setdefault(name, []).append(at_rest)
                    rush_beside.setdefault(name, []).append(peak)
                    bench.say(f"memory, round {number + 1}: {name} {at_rest:.0f} MiB at rest, {peak:.0f} MiB busy")
    how = HOW_RUSH.format(picture=PICTURE, **tasks)
    return [
        Figure("memory at rest", HOW_REST, "MiB", rest, AT_REST_MIB, rest_beside),
        Figure("memory during a rush", how, "MiB", rush, RUSH_MIB, rush_beside),
        Figure("memory, large photos", HOW_LARGE, "MiB", large),
    ]


def measure_farm(
    bench: Bench, tasks: dict[str, int], ordinary: Sequence[bytes], cameras: Sequence[bytes]
) -> tuple[float, float, float]:
    """MiB at rest, at the peak of a rush, and at that of a rush of large photos."""
    with (
        stand_ins(bench, servers=SERVERS, seconds=bench.choose(SECONDS, 0.2)) as servers,
        cloud_stand_in(bench) as cloud,
        farm(bench, servers.urls, OPENAI_BASE_URL=cloud, OPENAI_API_KEY="simulated") as started,
    ):
        time.sleep(bench.choose(REST_SECONDS, 0.5))
        at_rest = pss_of(started.pools())
        with watched(started.pools) as peak:
            play(started, tasks, ordinary, "rush")
        with watched(started.pools) as large_peak:
            play(started, tasks, cameras, "large")
        return at_rest, max(peak.mib, at_rest), large_peak.mib


def play(started: Farm, tasks: dict[str, int], sent: Sequence[bytes], name: str) -> list[Trip]:
    """Orders for both pools at once."""
    styles = [STYLE] * tasks["comfyui"] + [CLOUD_STYLE] * tasks["api"]
    booths = started.booths(len(styles))
    try:
        return play_together(booths, lambda booth, n: booth.order(f"{name}-{n}", sent[n], styles[n]))
    finally:
        for booth in booths:
            booth.close()


def measure_peer(peer: Peer, tasks: dict[str, int]) -> tuple[float, float]:
    """MiB at rest, and at the peak while as many bare jobs run."""
    time.sleep(REST_SECONDS)
    at_rest = pss_of(peer.processes())
    with watched(peer.processes) as peak:
        peer.begin(tasks["api"], seconds=SECONDS, queue="api")
        peer.run(tasks["comfyui"], seconds=SECONDS, queue="comfyui")
    return at_rest, max(peak.mib, at_rest)


@contextmanager
def cloud_stand_in(bench: Bench) -> Iterator[str]:
    """The OpenAI stand-in; the address for OPENAI_BASE_URL."""
    log = bench.new_folder("cloud") / "messages.log"
    command = python_module("scripts.simulators.openai_images", "--port", "0", "--seconds", str(SECONDS))
    with running(command, log=log, nice=STAND_IN_NICE, is_read=True) as process:
        yield read_line(process, log).split()[-1].removesuffix("/v1") + "/v1"
