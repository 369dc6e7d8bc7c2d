"""What a rush sees besides its orders: /queue and /stats while it runs, and the logs of the stand-ins afterwards."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import requests

from scripts.rushing.booths import Booth, read_body
from scripts.rushing.rows import Row

LOOK_SECONDS = 0.25
STANDIN_TIMEOUT_SECONDS = 10


@dataclass
class Sights:
    """The most of everything that was seen."""

    looks: int = 0
    missed: int = 0  # looks that got no answer
    is_last_missed: bool = False
    running: int = 0
    queued: int = 0
    now: str = ""
    busy: dict[str, int] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    queue_limit: int | None = None
    workers: int = 0
    submitted_before: int | None = None
    submitted_after: int | None = None

    def note_queue(self, queue: dict[str, Any]) -> None:
        running, queued = int(queue.get("running") or 0), int(queue.get("queued") or 0)
        self.running, self.queued = max(self.running, running), max(self.queued, queued)
        self.queue_limit = queue.get("limit")
        self.now = f"{queued} queued, {running} running"
        for name, resource in (queue.get("resources") or {}).items():
            self.busy[name] = max(self.busy.get(name, 0), int(resource.get("busy") or 0))
            self.limits[name] = int(resource.get("limit") or resource.get("workers") or 0)

    def note_stats(self, stats: dict[str, Any]) -> None:
        self.queued = max(self.queued, int(stats.get("current_queue_size") or 0))
        self.workers = max(self.workers, int(stats.get("worker_count") or 0))
        submitted = int(stats.get("total_submitted") or 0)
        if self.submitted_before is None:
            self.submitted_before = submitted
        self.submitted_after = submitted


class Watch:
    """Looks at /queue and /stats again and again: `with Watch(booth) as watch: …; watch.sights`."""

    def __init__(self, booth: Booth) -> None:
        self._booth = booth
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_again_and_again, name="watch", daemon=True)
        self.sights = Sights()

    def __enter__(self) -> Watch:
        self._look()  # before the first order
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=LOOK_SECONDS * 8)
        self._look()  # after the last one

    def _look_again_and_again(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        try:
            queue, stats = self._booth.get("/queue"), self._booth.get("/stats")
        except requests.RequestException:
            answered = False
        else:
            answered = queue.status_code == stats.status_code == 200
        self.sights.is_last_missed = not answered
        if not answered:
            self.sights.missed += 1
            return
        self.sights.looks += 1
        self.sights.note_queue(read_body(queue))
        self.sights.note_stats(read_body(stats))


def find_faults(sights: Sights, rows: Sequence[Row]) -> list[str]:
    """What /stats should have counted; others may use the farm meanwhile, so more is no fault."""
    if sights.submitted_before is None or sights.submitted_after is None:
        return ["/queue and /stats never answered"]
    if sights.is_last_missed:
        return ["/queue and /stats did not answer at the end"]
    grown, accepted = sights.submitted_after - sights.submitted_before, sum(row.is_accepted for row in rows)
    if grown < accepted:
        return [f"/stats: total_submitted grew by {grown}, though {accepted} tasks were accepted"]
    return []


def ask_standin(url: str, what: str) -> Any:
    """One page below /_standin of a ComfyUI stand-in. Raises requests' errors."""
    response = requests.get(f"{url.rstrip('/')}/_standin/{what}", timeout=STANDIN_TIMEOUT_SECONDS)
    response.raise_for_status()
    return response.json()


def count_made(log: Sequence[dict[str, Any]]) -> Counter[str]:
    """How many prompts ended well, by the mark of their photo, from one stand-in's log."""
    marks_of: dict[str, str] = {}
    made: Counter[str] = Counter()
    for event in log:
        prompt_id = event.get("prompt_id", "")
        if event["event"] == "submit":
            marks_of[prompt_id] = next((photo["mark"] for photo in event["inputs"] if "mark" in photo), "")
        if event["event"] == "end" and event.get("outcome") == "success":
            made[marks_of.get(prompt_id, "")] += 1
    return made


def note_made(rows: Sequence[Row], urls: Sequence[str]) -> list[str]:
    """Write into the rows what the stand-ins made of their photos; the faults met on the way."""
    made: Counter[str] = Counter()
    for url in urls:
        try:
            made += count_made(ask_standin(url, "log"))
        except (requests.RequestException, ValueError) as error:
            return [f"the log of the stand-in {url} cannot be read: {error}"]
    for row in rows if urls else ():
        row.made = made[f"{row.mark:016x}"]
    return []
