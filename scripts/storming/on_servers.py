"""Faults of the ComfyUI servers: killed, hung, and every way an answer can go wrong."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import requests

from scripts.storming.machines import Machine
from scripts.storming.place import STEER_SECONDS, Place
from scripts.storming.strikes import Draw, Strike

AWAY_SECONDS = (1.0, 6.0)
HANG_SECONDS = (3.0, 6.0)

COMFYUI_WISHES: dict[str, tuple[float, float, Mapping[str, Any]]] = {
    # fault -> weight, seconds, what the stand-in is asked for
    "comfyui hangs": (3, 5.0, {"kind": "hang"}),
    "comfyui 500": (4, 3.0, {"kind": "status", "status": 500, "body": "<html>Internal Server Error</html>"}),
    "comfyui drops": (4, 3.0, {"kind": "drop"}),
    "comfyui sockets cut": (4, 4.0, {"kind": "ws_drop"}),
    "comfyui sockets silent": (2, 4.0, {"kind": "ws_silent"}),
    "comfyui answer lost": (6, 4.0, {"kind": "drop_after", "path": "/prompt", "method": "POST", "times": 2}),
    "comfyui answer late": (3, 5.0, {"kind": "hang_after", "path": "/prompt", "method": "POST", "times": 1}),
    "comfyui slow": (3, 5.0, {"kind": "drip", "path": "/view", "bytes_per_s": 50_000}),
    "comfyui pictures torn": (4, 4.0, {"kind": "truncate", "path": "/view", "times": 2}),
    "comfyui pictures cut": (3, 4.0, {"kind": "cut", "path": "/view", "times": 2}),
    "comfyui wrong history": (3, 4.0, {"kind": "body", "path": "/history", "body": [], "times": 2}),
    "comfyui wrong queue": (2, 4.0, {"kind": "body", "path": "/queue", "body": "<html>busy</html>", "times": 2}),
    "comfyui wrong answer": (2, 4.0, {"kind": "body", "path": "/prompt", "method": "POST", "body": {}, "times": 1}),
    "comfyui holds": (3, 4.0, {"kind": "hold", "times": 1}),
    "comfyui fails": (2, 4.0, {"kind": "exec_error", "times": 1}),
}


def kill(place: Place, chance: random.Random) -> Strike:
    url, server = draw_server(place, chance)
    return killed("kill comfyui", url, server, chance)


def freeze(place: Place, chance: random.Random) -> Strike:
    url, server = draw_server(place, chance)
    return frozen("freeze comfyui", url, server, chance)


def draw_server(place: Place, chance: random.Random) -> tuple[str, Machine]:
    """Any ComfyUI server and its URL."""
    return chance.choice(list(place.comfyui.items()))


def wish_of_server(fault: str, seconds: float, wish: Mapping[str, Any]) -> Draw:
    """A fault that a ComfyUI stand-in is asked for."""

    def draw(place: Place, chance: random.Random) -> Strike:
        url, server = draw_server(place, chance)
        return wished(fault, url, url, server, seconds, wish)

    return draw


def killed(fault: str, target: str, machine: Machine, chance: random.Random) -> Strike:
    """kill -9, and started again after a while."""
    seconds = chance.uniform(*AWAY_SECONDS)
    return Strike(fault, target, f"machine {target}", machine.kill, machine.start, seconds, pid=machine.pid)


def frozen(fault: str, target: str, machine: Machine, chance: random.Random) -> Strike:
    """SIGSTOP for a while."""
    seconds = chance.uniform(*HANG_SECONDS)
    return Strike(fault, target, f"machine {target}", machine.freeze, machine.wake, seconds, pid=machine.pid)


def wished(fault: str, target: str, url: str, machine: Machine, seconds: float, wish: Mapping[str, Any]) -> Strike:
    """Asked for over HTTP; ended by its number. A stand-in that was killed meanwhile has forgotten it."""
    asked: dict[str, int] = {}

    def begin() -> None:
        answer = requests.post(f"{url}/_standin/faults", json=dict(wish), timeout=STEER_SECONDS)
        answer.raise_for_status()
        asked.update(number=answer.json()[0]["id"], pid=machine.pid)

    def end() -> None:
        if machine.is_running and machine.pid == asked["pid"]:
            where = f"{url}/_standin/faults"
            requests.delete(where, params={"id": str(asked["number"])}, timeout=STEER_SECONDS).raise_for_status()

    # Several may be in effect at one server, but not twice the same.
    return Strike(fault, target, f"{fault} {target}", begin, end, seconds, pid=machine.pid)


DRAWS: list[tuple[float, Draw]] = [
    (5, kill),
    (3, freeze),
    *((weight / 2, wish_of_server(fault, seconds, wish)) for fault, (weight, seconds, wish) in COMFYUI_WISHES.items()),
]
