"""A pool of RQ workers for one resource: `python -m scripts.worker_pool comfyui`. Parses, joins the parts, runs."""

from __future__ import annotations

import argparse
import importlib
import logging.config
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import jobs.cloud.executor
import jobs.comfyui.executor  # noqa: F401  imported before the fork, so that workers share it
from jobs import entry
from jobs.database import Database
from jobs.database.revision import wait_until_current
from jobs.engine.lifeline import show_stacks_on_request
from jobs.engine.memory import give_back_large_buffers
from jobs.engine.pool import Pool
from jobs.engine.rehearsal import rehearse
from jobs.engine.rings import queue_of
from jobs.engine.worker import FarmWorker, wait_for_redis
from jobs.errors import SettingsError
from jobs.farm import connect_redis
from jobs.resources import RESOURCES
from jobs.settings import Settings


def main() -> int:
    """Run the pool until it is told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("resource", choices=sorted(RESOURCES))
    resource = parser.parse_args().resource
    try:
        settings = Settings.load()
    except SettingsError as exc:
        print(exc, file=sys.stderr)
        return 2
    config = importlib.import_module(f"worker_configs.{resource}")
    logging.config.dictConfig(config.DICT_CONFIG)
    show_stacks_on_request()
    give_back_large_buffers()
    prepare(resource)
    Pool(
        resource,
        config.NUM_WORKERS,
        work=lambda name: live_as_worker(resource, name, settings),
        open_database=open_database,
        crash_wait_s=settings.crash_wait_s,
    ).run()
    return 0


def prepare(resource: str) -> None:
    """Wait for a migrated database, and have everything loaded that a step needs.

    Leaves no connection open: the workers are forked next, and share what is loaded.
    """
    farm = entry.farm_of_process()
    wait_until_current(farm.database)
    rehearse(farm.database, entry.taker_of_process(resource).claims, resource)
    farm.close()


def live_as_worker(resource: str, name: str, settings: Settings) -> None:
    """A worker's whole life, in the forked child."""
    redis = connect_redis(settings)
    wait_for_redis(redis)
    FarmWorker([queue_of(resource, redis)], name=name, connection=redis).work(logging_level="WARNING")


@contextmanager
def open_database() -> Iterator[Database]:
    """The pool's own database for a moment; its moves are announced, so steps that it releases are rung for at once."""
    farm = entry.farm_of_process()
    try:
        yield farm.database
    finally:
        farm.close()


if __name__ == "__main__":
    sys.exit(main())
