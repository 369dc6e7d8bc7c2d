"""Submitting: what a photo costs the web's processor beside a bare decode + encode, and ten large photos at once."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence

import psutil
from PIL import Image

from jobs.media.images import PHOTO_QUALITY
from scripts.benching import photos
from scripts.benching.booths import Booth, play_together
from scripts.benching.farm import STYLE, Farm, farm, stand_ins
from scripts.benching.figures import Figure
from scripts.benching.makespan import hash_of
from scripts.benching.rig import Bench

SERVERS = 10
SECONDS = 0.1
PHOTOS = 12
AT_ONCE = 10
CPU_TARGET, ALL_TARGET_S = 1.5, 1.2
HOW_CPU = (
    "{photos} orders of one photo of 12 megapixels and 3 MB, one after the other: processor time of the web "
    "for each, over that of Pillow alone for the same photo (decode to RGB, encode as JPEG at the farm's quality)"
)
HOW_AT_ONCE = "{count} such photos from {count} booths at the same instant: until the last of them is answered 202"


def measure(bench: Bench) -> list[Figure]:
    """Rounds of single submissions, each photo beside its bare work, then of submissions at once."""
    count = bench.choose(PHOTOS, 2)
    at_once = bench.choose(AT_ONCE, 3)
    ratios: list[float] = []
    seconds: list[float] = []
    bare: list[float] = []
    with stand_ins(bench, servers=SERVERS, seconds=SECONDS) as servers, farm(bench, servers.urls) as started:
        booths = started.booths()
        _submit_and_wait(booths, [photos.camera(1)], "warm-up")
        for number in range(bench.repeats):
            name = f"round-{number}"
            sent = [photos.camera(hash_of(name) + n) for n in range(max(count, at_once))]
            farm_s, bare_s = measure_cpu(started, booths, sent[:count], name)
            ratios.append(farm_s / bare_s)
            bare.append(bare_s * 1000)
            seconds.append(measure_at_once(started, sent[:at_once], f"{name}-once"))
            bench.say(
                f"submitting, round {number + 1}: {farm_s * 1000:.0f} ms of the web for a photo, {bare_s * 1000:.0f} "
                f"ms bare, so {ratios[-1]:.2f}; {at_once} at once within {seconds[-1]:.2f} s"
            )
    how = HOW_CPU.format(photos=count)
    return [
        Figure("web CPU per photo", how, "× bare", ratios, CPU_TARGET, {"Pillow alone, ms": bare}),
        Figure("ten photos at once", HOW_AT_ONCE.format(count=at_once), "s", seconds, ALL_TARGET_S),
    ]


def measure_cpu(started: Farm, booths: Sequence[Booth], sent: Sequence[bytes], name: str) -> tuple[float, float]:
    """Processor seconds per photo, of the web and of Pillow alone. The farm is left to finish each before the next."""
    web, bare = 0.0, 0.0
    for number, photo in enumerate(sent):
        begun = time.thread_time()
        work_barely(photo)
        bare += time.thread_time() - begun
        processes = started.web()
        before = cpu_of(processes)
        trip = booths[number % len(booths)].submit(f"{name}-{number}", photo, STYLE)
        web += cpu_of(processes) - before
        booths[number % len(booths)].follow(trip)
    return web / len(sent), bare / len(sent)


def measure_at_once(started: Farm, sent: Sequence[bytes], name: str) -> float:
    """Seconds until the last of them is answered."""
    booths = started.booths(len(sent))
    try:
        trips = play_together(booths, lambda booth, number: booth.submit(f"{name}-{number}", sent[number], STYLE))
        for booth, trip in zip(booths, trips, strict=True):
            booth.follow(trip)
    finally:
        for booth in booths:
            booth.close()
    return max(trip.accepted_at for trip in trips) - min(trip.sent_at for trip in trips)


def work_barely(photo: bytes) -> bytes:
    """What no one can save: decode the photo and encode it again."""
    with Image.open(io.BytesIO(photo)) as image:
        flat = image.convert("RGB")
    file = io.BytesIO()
    flat.save(file, "JPEG", quality=PHOTO_QUALITY)
    return file.getvalue()


def cpu_of(processes: Sequence[psutil.Process]) -> float:
    """Processor seconds that they have used so far."""
    times = [process.cpu_times() for process in processes]
    return sum(entry.user + entry.system for entry in times)


def _submit_and_wait(booths: Sequence[Booth], sent: Sequence[bytes], name: str) -> None:
    for number, photo in enumerate(sent):
        trip = booths[number].submit(f"{name}-{number}", photo, STYLE)
        booths[number].follow(trip)
