"""The pool of one resource: a process that has imported everything, then forks its workers and watches over them.

When it forks, it holds no connection and no second thread. A worker's death is seen at once (process sentinels); what
it had claimed is released (S7) and another worker is started. Workers die with their pool.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from types import FrameType

from jobs.database import Database
from jobs.engine.lifeline import die_with_parent
from jobs.engine.retries import REASONS
from jobs.engine.runner import GRACE_SECONDS
from jobs.engine.worker import make_name
from jobs.errors import ClaimLost, DatabaseAway
from jobs.orders import repairs

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
OVERDUE_LOOK_SECONDS = 5.0
QUICK_DEATH_SECONDS = 2.0
OVERDUE_GRACE_SECONDS = GRACE_SECONDS + 30.0


@dataclass
class Slot:
    """One worker process and its name."""

    name: str
    process: ForkProcess
    started_at: float


@dataclass
class Released:
    """A dead worker whose claim is to be taken away: at once, and once more after a second."""

    name: str
    crashed: bool
    looks_left: int = 2
    next_look: float = field(default_factory=time.monotonic)


class Pool:
    """Runs until it is told to stop; then its workers finish what they do and end."""

    def __init__(
        self,
        resource: str,
        size: int,
        *,
        work: Callable[[str], None],
        open_database: Callable[[], AbstractContextManager[Database]],
        crash_wait_s: float,
    ) -> None:
        """`work(worker name)` is a worker's whole life, called in the forked child. `open_database` gives a database
        for a moment: nothing of it may stay open, since the next fork would share it.
        """
        self._resource = resource
        self._size = size
        self._work = work
        self._open_database = open_database
        self._crash_wait_s = crash_wait_s
        self._slots: list[Slot] = []
        self._released: list[Released] = []
        self._signals = 0
        self._overdue_looked_at = time.monotonic()
        self._context = multiprocessing.get_context("fork")

    def run(self) -> None:
        """Start the workers and watch over them until the last one has ended after a stop."""
        wakeup, wakeup_writer = socket.socketpair()
        wakeup.setblocking(False)
        wakeup_writer.setblocking(False)
        signal.set_wakeup_fd(wakeup_writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._note_signal)
        signal.signal(signal.SIGINT, self._note_signal)
        gc.collect()
        gc.freeze()  # what is loaded now stays in pages that parent and workers share
        log.info("pool started", extra={"resource": self._resource, "workers": self._size})
        while True:
            if not self._signals:
                self._fill()
            elif not self._slots and not self._released:
                break
            wait([wakeup, *(slot.process.sentinel for slot in self._slots)], timeout=LOOK_SECONDS)
            try:
                while wakeup.recv(64):
                    pass
            except BlockingIOError:
                pass
            self._reap()
            self._obey()
            self._release()
            self._kill_overdue()
        log.info("pool ended", extra={"resource": self._resource})

    def _note_signal(self, signum: int, frame: FrameType | None) -> None:
        self._signals += 1

    def _fill(self) -> None:
        now = time.monotonic()
        while len(self._slots) < self._size:
            name = make_name(self._resource)
            process = self._context.Process(target=self._live, args=(name, os.getpid()), name=name)
            process.start()
            self._slots.append(Slot(name, process, now))

    def _live(self, name: str, pool_pid: int) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        die_with_parent(pool_pid)
        self._work(name)

    def _reap(self) -> None:
        quick = False
        for slot in [slot for slot in self._slots if not slot.process.is_alive()]:
            self._slots.remove(slot)
            code = slot.process.exitcode
            slot.process.join()
            slot.process.close()
            killed_by_us = self._signals >= 2
            if code == 0 and self._signals:
                continue
            log.warning("a worker died", extra={"worker": slot.name, "exit_code": code})
            self._released.append(Released(slot.name, crashed=code != 0 and not killed_by_us))
            quick = quick or time.monotonic() - slot.started_at < QUICK_DEATH_SECONDS
        if quick and not self._signals:
            time.sleep(LOOK_SECONDS / 2)  # workers that cannot even start must not spin the machine

    def _obey(self) -> None:
        if self._signals == 1:
            for slot in self._slots:
                if slot.process.pid and slot.process.is_alive():
                    os.kill(slot.process.pid, signal.SIGTERM)
        elif self._signals >= 2:
            for slot in self._slots:
                slot.process.kill()

    def _release(self) -> None:
        now = time.monotonic()
        waiting = [entry for entry in self._released if entry.next_look <= now]
        if not waiting:
            return
        with self._open_database() as database:
            for entry in waiting:
                try:
                    self._release_claims(database, entry)
                    entry.looks_left -= 1
                except DatabaseAway:
                    log.warning("a dead worker's claim waits: the database is away", extra={"worker": entry.name})
                entry.next_look = now + 1.0
        self._released = [entry for entry in self._released if entry.looks_left > 0]

    def _release_claims(self, database: Database, entry: Released) -> None:
        for step_id in database.read(repairs.list_claims_of, entry.name):
            try:
                ids = database.write(
                    repairs.release_step,
                    step_id,
                    actor=f"pool:{self._resource}",
                    worker=entry.name,
                    crashed=entry.crashed,
                    crash_wait_s=self._crash_wait_s,
                    reason=REASONS["poison"],
                )
            except ClaimLost:
                continue
            log.warning("a dead worker's step was taken away", extra={"move": "S7", "worker": entry.name, **ids})

    def _kill_overdue(self) -> None:
        if time.monotonic() - self._overdue_looked_at < OVERDUE_LOOK_SECONDS or not self._slots:
            return
        self._overdue_looked_at = time.monotonic()
        names = [slot.name for slot in self._slots]
        try:
            with self._open_database() as database:
                overdue = database.read(repairs.list_overdue, names, OVERDUE_GRACE_SECONDS)
        except DatabaseAway:
            return
        for slot in self._slots:
            if slot.name in overdue:
                log.error("a worker hangs and is killed", extra={"worker": slot.name})
                slot.process.kill()
