"""Ten booths that order again and again, each from several threads, and a watcher of the queue beside them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import requests

from scripts.rushing.booths import Clock, OutOfTime, read_body
from scripts.simulators.journal import Journal
from scripts.storming.orders import Line, Order, Photo
from scripts.storming.place import STYLES
from scripts.storming.wifi import Wifi

THREADS = 2
FIRST = next(iter(STYLES))
"""The style of what is added to an order."""
RUSH_PAUSE = (0.0, 1.0)
CALM_PAUSE = (4.0, 16.0)
TWICE, MORE, RESEND, CANCEL, AGAIN = 0.06, 0.08, 0.06, 0.05, 0.1
WATCH_SECONDS = 1.0


@dataclass
class Booths:
    """All of them. `start`, then `stop_ordering`; `are_done` once what they began has ended."""

    url: str
    keys: Sequence[str]
    journal: Journal
    seed: int
    clock: Clock
    rush_seconds: float
    accepted: int = 0
    ended: int = 0
    queued: int = 0
    _closing: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _wifis: list[Wifi] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _begun_at: float = 0.0

    def start(self) -> None:
        """Every booth begins at once."""
        self._begun_at = time.monotonic()
        for number, key in enumerate(self.keys):
            for thread in range(THREADS):
                name = f"booth-{number}-{thread}"
                wifi = Wifi(random.Random(f"{self.seed} {name}"), requests.Session())
                wifi.session.headers["Authorization"] = f"Bearer {key}"
                line = Line(f"booth-{number}", self.url, wifi, self.clock, self.journal)
                self._wifis.append(wifi)
                self._threads.append(threading.Thread(target=self._live, args=(line, name), name=name, daemon=True))
        for one in self._threads:
            one.start()
        threading.Thread(target=self._watch, name="queue watcher", daemon=True).start()

    def stop_ordering(self) -> None:
        """No new orders; the lines are good from now on."""
        self._closing.set()
        for wifi in self._wifis:
            wifi.is_calm = True

    def are_done(self) -> bool:
        """Has every order that was begun been followed to its end?"""
        return not any(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """Ends all waiting."""
        self.clock.stopped.set()
        for thread in self._threads:
            thread.join(timeout=30)
        for wifi in self._wifis:
            wifi.session.close()

    def _live(self, line: Line, name: str) -> None:
        chance = line.wifi.chance
        number = 0
        try:
            line.pause(chance.uniform(0, 1))
            while not self._closing.is_set():
                number += 1
                self._play(Order(line, f"storm-{self.seed}-{name}-{number}"), chance)
                self._closing.wait(chance.uniform(*(RUSH_PAUSE if self._is_rush() else CALM_PAUSE)))
        except OutOfTime:
            return

    def _play(self, order: Order, chance: random.Random) -> None:
        """Whatever a booth does with one order, in the end all of it followed."""
        photo = Photo.make(chance.choices(list(STYLES), list(STYLES.values()))[0], order.order_id)
        if chance.random() < TWICE:
            order.send_twice_at_once(photo)
        if not order.send_until_accepted(photo):
            return
        self._count(accepted=1)
        if chance.random() < MORE:
            order.send_until_accepted(Photo.make(FIRST, f"{order.order_id} more"))
        if chance.random() < RESEND:
            order.send(photo)
        if chance.random() < CANCEL:
            order.line.pause(chance.uniform(0, 2))
            order.cancel()
        ended = order.follow()
        if ended and chance.random() < AGAIN:
            # What failed for a passing reason is tried again by this; all else is a duplicate.
            order.send_until_accepted(photo)
            ended = order.follow()
        if ended:
            order.fetch(ended)
        self._count(ended=1)

    def _is_rush(self) -> bool:
        return int((time.monotonic() - self._begun_at) / self.rush_seconds) % 2 == 0

    def _count(self, *, accepted: int = 0, ended: int = 0) -> None:
        with self._lock:
            self.accepted += accepted
            self.ended += ended

    def _watch(self) -> None:
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {self.keys[0]}"
        while not self.clock.stopped.wait(WATCH_SECONDS):
            try:
                answer = session.get(f"{self.url}/api/v1/queue", timeout=5)
            except requests.RequestException:
                continue
            if answer.status_code == 200:
                self.queued = int(read_body(answer)["queued"])
                self.journal.write("queue", queued=self.queued)
            elif answer.status_code not in (429, 503):
                self.journal.write("trouble", what="GET queue", status=answer.status_code)
        session.close()
