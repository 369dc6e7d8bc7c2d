"""The bare job of the peers: one HTTP wait. Runs in .venv-bench, so it imports nothing of the farm.

RQ finds `wait` here. `python -m scripts.benching.bare_jobs rq|celery QUEUE URL COUNT GAP` enqueues and prints when, as
a JSON list of time.time(). REDIS_URL says where.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

import requests

TIMEOUT_SECONDS = 60


def wait(url: str) -> None:
    """Ask the sleeper, and tell it when we began."""
    started = time.time()
    requests.get(f"{url}&started={started}", timeout=TIMEOUT_SECONDS).raise_for_status()


def main() -> None:
    kind, queue, url, count, gap = sys.argv[1:]
    enqueue = _rq(queue) if kind == "rq" else _celery(queue)
    moments = []
    for number in range(int(count)):
        moments.append(time.time())
        enqueue(f"{url}&number={number}")
        if float(gap):
            time.sleep(float(gap))
    print(json.dumps(moments))


def _rq(queue: str) -> Callable[[str], object]:
    from redis import Redis
    from rq import Queue

    there = Queue(queue, connection=Redis.from_url(os.environ["REDIS_URL"]))
    return lambda url: there.enqueue("scripts.benching.bare_jobs.wait", url)


def _celery(queue: str) -> Callable[[str], object]:
    from scripts.benching.bare_celery import wait_for

    return lambda url: wait_for.apply_async((url,), queue=queue)


if __name__ == "__main__":
    main()
