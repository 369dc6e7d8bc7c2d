"""The play itself: all orders at their moments, each followed to its picture, then each sent once more."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from scripts.rushing.booths import Booth, OutOfTime
from scripts.rushing.rows import REFUSALS, Row
from scripts.simulators.marks import MARK_BITS
from scripts.simulators.photos import portrait

HEAD_START_SECONDS = 0.5  # until every thread stands at its barrier
PHOTO_MAKERS = 4

Counted = Callable[[str, str], None]


@dataclass(frozen=True)
class Plan:
    """What is played."""

    run_id: str
    styles: tuple[str, ...]  # in turn
    tasks: int
    interval: float
    same: int = 1  # how often each order is sent at the same instant
    resend: bool = True

    def style_of(self, number: int) -> str:
        """The style of order `number` (from 1)."""
        return self.styles[(number - 1) % len(self.styles)]

    def due(self, number: int, booths: int) -> float:
        """Seconds from the start until order `number` (from 1): the first of each booth at once, then one by one."""
        return max(0, number - booths) * self.interval


@dataclass
class Play:
    """One rush. `rows` may be read at any time; `run` and `repeat` return when all is over, or time is."""

    plan: Plan
    booths: Sequence[Booth]
    count: Counted
    rows: list[Row] = field(default_factory=list)
    _photos: dict[int, bytes] = field(default_factory=dict)

    def prepare(self) -> None:
        """Make a photo with a mark of its own for each order."""
        with ThreadPoolExecutor(PHOTO_MAKERS) as makers:
            for row in makers.map(self._prepare_row, range(1, self.plan.tasks + 1)):
                self.rows.append(row)

    def _prepare_row(self, number: int) -> Row:
        mark = random.Random(f"{self.plan.run_id}-{number}").getrandbits(MARK_BITS)
        photo = self._photos[number] = portrait(mark)
        return Row(
            number=number,
            order_id=f"rush-{self.plan.run_id}-{number}",
            booth=self.booth_of(number).name,
            mark=mark,
            style=self.plan.style_of(number),
            photo_sha256=hashlib.sha256(photo).hexdigest(),
        )

    def booth_of(self, number: int) -> Booth:
        return self.booths[(number - 1) % len(self.booths)]

    def run(self) -> None:
        """All orders, each with a thread of its own (and one for each further copy), to their pictures."""
        first = min(len(self.booths), len(self.rows))
        together = threading.Barrier(first * self.plan.same)
        begin = time.monotonic() + HEAD_START_SECONDS
        threads = []
        for row in self.rows:
            barrier = together if row.number <= first else threading.Barrier(self.plan.same)
            moment = begin + self.plan.due(row.number, len(self.booths))
            for copy in range(self.plan.same):
                arguments = (row, copy, moment, barrier)
                threads.append(threading.Thread(target=self._play_order, args=arguments, daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _play_order(self, row: Row, copy: int, moment: float, barrier: threading.Barrier) -> None:
        booth, photo = self.booth_of(row.number), self._photos[row.number]
        try:
            booth.clock.pause(max(0.0, moment - time.monotonic()))
            barrier.wait()
            if copy == 0:
                row.t_submit = time.time()
                self.count(booth.name, "sent")
            accepted = booth.submit(row, style=row.style, photo=photo, copy=copy, resend=self.plan.resend)
            if copy == 0 and any(answer.status in REFUSALS for answer in list(row.answers)):
                self.count(booth.name, "refused")
            if copy == 0 and accepted:
                self.count(booth.name, "accepted")
                order = booth.follow(row)
                if order and row.is_succeeded:
                    booth.fetch(row, order)
        except (OutOfTime, threading.BrokenBarrierError):
            barrier.abort()
        finally:
            if copy == 0:
                self.count(booth.name, "done")

    def repeat(self) -> None:
        """Each order that has its picture, identical, once more. A failed one would rightly run again."""
        rows = [row for row in self.rows if row.is_succeeded and row.t_picture is not None]
        with ThreadPoolExecutor(len(self.booths)) as posters:
            list(posters.map(self._repeat_order, rows))

    def _repeat_order(self, row: Row) -> None:
        booth = self.booth_of(row.number)
        try:
            booth.repeat(row, style=row.style, photo=self._photos[row.number])
        except OutOfTime:
            return
