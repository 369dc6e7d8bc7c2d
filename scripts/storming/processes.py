"""The farm's processes as they are at this moment: services below `up`, workers below their pools, and their names."""

from __future__ import annotations

import signal
from collections.abc import Callable

import psutil
import redis

from scripts.launch import SERVICES

POOLS = ("comfyui", "api")


class Processes:
    """Asked anew each time, since the nemesis kills them."""

    def __init__(self, launcher_pid: int, connect_redis: Callable[[], redis.Redis]) -> None:
        self._launcher_pid = launcher_pid
        self._connect_redis = connect_redis
        self._names: dict[tuple[int, int], str] = {}

    def service(self, name: str) -> psutil.Process | None:
        """A service that `up` keeps running, by its name there; None while there is none."""
        words = SERVICES[name]
        for child in _children_of(self._launcher_pid):
            try:
                if child.cmdline()[-len(words) :] == words:
                    return child
            except psutil.Error:
                continue
        return None

    def workers(self, resource: str) -> list[psutil.Process]:
        """The workers of a pool that live, by their pid."""
        pool = self.service(resource)
        return sorted(_children_of(pool.pid), key=lambda process: process.pid) if pool else []

    def name_of(self, worker: psutil.Process, pool_pid: int) -> str:
        """The worker's name in the database and in RQ; its pid where Redis could not be asked yet."""
        self._note_names()
        return self._names.get((pool_pid, worker.pid), f"worker {worker.pid}")

    def wake_all(self) -> None:
        """SIGCONT for everything below `up`."""
        for process in _children_of(self._launcher_pid, recursive=True):
            try:
                process.send_signal(signal.SIGCONT)
            except psutil.Error:
                continue

    def missing(self, sizes: dict[str, int]) -> list[str]:
        """What is not running of the services and, by resource, of so many workers."""
        gone = [name for name in SERVICES if self.service(name) is None]
        counts = {resource: len(self.workers(resource)) for resource in sizes}
        short = [f"{sizes[name] - counts[name]} {name} workers" for name in sizes if counts[name] < sizes[name]]
        return gone + short

    def _note_names(self) -> None:
        """From RQ's list of workers. A name holds its pool's pid, so pids that are used again do no harm."""
        client = self._connect_redis()
        try:
            keys: set[bytes] = client.smembers("rq:workers")  # type: ignore[assignment]  # not the async client
            for key in keys:
                name = key.decode().removeprefix("rq:worker:")
                pid, pool_pid = client.hget(key.decode(), "pid"), name.rsplit("-", 2)[-2]
                if pid and pool_pid.isdigit():
                    self._names[int(pool_pid), int(pid)] = name  # type: ignore[arg-type]
        except (redis.RedisError, OSError):
            return
        finally:
            client.close()


def _children_of(pid: int, *, recursive: bool = False) -> list[psutil.Process]:
    try:
        children = psutil.Process(pid).children(recursive=recursive)
    except psutil.Error:
        return []
    return [child for child in children if _lives(child)]


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
