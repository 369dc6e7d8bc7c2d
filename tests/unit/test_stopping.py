"""A wish to end that arrives in the middle of waiting for it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
from redis import Redis
from rq.exceptions import StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer

from jobs.engine.rings import RingJob
from jobs.engine.stopping import StopFlag

ROUNDS = """
import signal, threading
from jobs.engine.stopping import StopFlag

signal.signal(signal.SIGALRM, lambda number, frame: flag.set())
for number in range(5_000):
    flag = StopFlag()
    signal.setitimer(signal.ITIMER_REAL, (number % 80 + 1) / 1_000_000)
    while not flag.wait(0.00001):
        pass
print("through")
"""


def test_a_signal_that_interrupts_waiting_does_not_block_itself() -> None:
    """With `threading.Event` instead, this hangs after some hundred rounds."""
    done = subprocess.run([sys.executable, "-c", ROUNDS], capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout == "through\n"


def test_every_waiting_thread_hears_of_it() -> None:
    flag, heard = StopFlag(), []
    threads = [threading.Thread(target=lambda: heard.append(flag.wait(30))) for _ in range(3)]
    for thread in threads:
        thread.start()
    flag.set()
    for thread in threads:
        thread.join(30)
    assert heard == [True] * 3
    assert flag.is_set()


def test_nobody_asks() -> None:
    flag, began_at = StopFlag(), time.monotonic()
    assert not flag.wait(0.05)
    assert time.monotonic() - began_at >= 0.05


def test_a_signal_while_a_job_is_read_is_no_unreadable_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """RQ's handler raises in whatever an idle worker is doing; taken for a broken job, the wish to end was lost."""

    def interrupted(job: Job, raw_data: object) -> object:
        raise StopRequested

    monkeypatch.setattr(Job, "restore", interrupted)
    job = RingJob("ring-1-1", connection=Redis(), serializer=JSONSerializer)
    with pytest.raises(StopRequested):
        job.restore({})
