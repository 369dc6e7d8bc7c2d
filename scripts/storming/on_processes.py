"""Faults of the farm's own processes: killed, frozen for longer than a claim, restarted, doubled."""

from __future__ import annotations

import random
import signal
import threading
import time

import psutil

from scripts.storming.place import CLAIM_SECONDS, Place
from scripts.storming.processes import POOLS, Processes
from scripts.storming.strikes import Draw, Strike

FREEZE_SECONDS = 1.8 * CLAIM_SECONDS
SECOND_SECONDS = 10.0
ROLLING_SECONDS = 20.0
RESTART_SECONDS = 8.0
LOOK_SECONDS = 0.1
SERVICES = {"web": "web", "reconcile": "reconciler", "comfyui": "pool", "api": "pool"}
"""Service of `up` -> what the journal calls its kind."""


def processes_of(place: Place) -> Processes:
    """The farm's processes; there from the moment `up` runs."""
    if place.processes is None:
        raise RuntimeError("the farm was not started")
    return place.processes


def draw_worker(place: Place, chance: random.Random) -> tuple[psutil.Process, str] | None:
    """Any worker and its name."""
    resource = chance.choices(POOLS, (5, 2))[0]
    processes = processes_of(place)
    pool, workers = processes.service(resource), processes.workers(resource)
    if pool is None or not workers:
        return None
    worker = chance.choice(workers)
    return worker, processes.name_of(worker, pool.pid)


def kill_worker(place: Place, chance: random.Random) -> Strike | None:
    drawn = draw_worker(place, chance)
    if drawn is None:
        return None
    worker, name = drawn
    return Strike("kill worker", name, f"worker {worker.pid}", begin=worker.kill, pid=worker.pid)


def freeze_worker(place: Place, chance: random.Random) -> Strike | None:
    drawn = draw_worker(place, chance)
    if drawn is None:
        return None
    worker, name = drawn
    return Strike(
        "freeze worker",
        name,
        f"worker {worker.pid}",
        begin=worker.suspend,
        end=lambda: wake([worker]),
        seconds=FREEZE_SECONDS,
        pid=worker.pid,
    )


def on_service(verb: str, service: str) -> Draw:
    """`kill`, `freeze` or `restart` (SIGTERM; `up` starts it again) a service. A frozen pool's workers freeze too."""

    def draw(place: Place, chance: random.Random) -> Strike | None:
        processes = processes_of(place)
        process = processes.service(service)
        if process is None:
            return None
        fault, key = f"{verb} {SERVICES[service]}", f"service {service}"
        if verb == "kill":
            return Strike(fault, service, key, begin=process.kill, pid=process.pid)
        if verb == "restart":
            return Strike(fault, service, key, begin=process.terminate, seconds=RESTART_SECONDS, pid=process.pid)
        workers = processes.workers(service) if service in POOLS else []
        frozen = [process, *workers]
        also = {"workers": [processes.name_of(worker, process.pid) for worker in workers]} if workers else {}

        def freeze() -> None:
            for one in frozen:
                one.suspend()

        return Strike(fault, service, key, freeze, lambda: wake(frozen), FREEZE_SECONDS, pid=process.pid, also=also)

    return draw


def restart_all_in_turn(place: Place, chance: random.Random) -> Strike | None:
    """A deploy: each service is told to end once the one before it is back."""
    processes = processes_of(place)

    def roll() -> None:
        until = time.monotonic() + ROLLING_SECONDS
        for service in SERVICES:
            old = processes.service(service)
            if old is None:
                continue
            try:
                old.terminate()
            except psutil.Error:
                continue
            while time.monotonic() < until:
                new = processes.service(service)
                if new is not None and new.pid != old.pid:
                    break
                time.sleep(LOOK_SECONDS)

    thread = threading.Thread(target=roll, name="rolling restart", daemon=True)
    return Strike("rolling restart", "all services", "rolling restart", thread.start, seconds=ROLLING_SECONDS)


def run_second_reconciler(place: Place, chance: random.Random) -> Strike | None:
    second = place.second_reconciler
    if second is None or second.is_running:
        return None
    return Strike("second reconciler", "reconcile", "second reconciler", second.start, second.end, SECOND_SECONDS)


def wake(processes: list[psutil.Process]) -> None:
    """SIGCONT; those that have ended meanwhile need none."""
    for process in processes:
        try:
            process.send_signal(signal.SIGCONT)
        except psutil.NoSuchProcess:
            continue


DRAWS: list[tuple[float, Draw]] = [
    (10, kill_worker),
    (8, freeze_worker),
    (3, on_service("kill", "comfyui")),
    (2, on_service("kill", "api")),
    (5, on_service("kill", "web")),
    (4, on_service("kill", "reconcile")),
    (2, on_service("freeze", "comfyui")),
    (1, on_service("freeze", "api")),
    (2, on_service("freeze", "web")),
    (3, on_service("freeze", "reconcile")),
    (2, on_service("restart", "web")),
    (2, on_service("restart", "comfyui")),
    (1, on_service("restart", "api")),
    (1, on_service("restart", "reconcile")),
    (1, restart_all_in_turn),
    (2, run_second_reconciler),
]
