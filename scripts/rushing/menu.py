"""Which styles a rush orders: those that were named, or what the farm offers without costing anybody money."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import requests

from scripts.rushing.booths import Booth, read_body

STYLE_SECONDS = 20  # a farm that has just begun still asks its servers what they have
LOOK_SECONDS = 1
USUAL = "framed-print"
SIMULATED = "SIMULATED"

Styles = dict[str, dict[str, Any]]
"""Name -> its entry in GET /styles."""


class FarmNotReady(Exception):
    """The rush cannot begin; the text is for whoever asked for it."""


def choose_styles(booth: Booth, wanted: Sequence[str]) -> tuple[str, ...]:
    """The styles to order in turn; those that are wanted must all be there. Raises FarmNotReady."""
    offered = wait_for_styles(booth, wanted or (USUAL,))
    if wanted or not is_simulated(booth):
        return tuple(wanted) or (USUAL,)
    return mix(offered)


def mix(offered: Styles) -> tuple[str, ...]:
    """Every second order the usual one, and all styles with a cloud step in turn between."""
    clouds = [name for name, style in offered.items() if style.get("available") and "api" in style["resources"]]
    return tuple(name for cloud in clouds for name in (USUAL, cloud)) or (USUAL,)


def wait_for_styles(booth: Booth, names: Iterable[str]) -> Styles:
    """All styles, once these can be ordered. Raises FarmNotReady unless the farm knows the key and makes them soon."""
    until = time.monotonic() + STYLE_SECONDS
    while True:
        try:
            response = booth.get("/styles")
        except requests.RequestException as error:
            raise FarmNotReady(f"No farm answers at {booth.url} ({type(error).__name__}).") from error
        if response.status_code in (401, 403):
            raise FarmNotReady(f"The farm at {booth.url} does not know the key; give one with --key.")
        offered = {entry["name"]: entry for entry in read_body(response).get("styles") or []}
        missing = [name for name in names if not offered.get(name, {}).get("available")]
        if not missing:
            return offered
        if time.monotonic() > until:
            name = missing[0]
            state = f"cannot be made now: {offered[name]}" if name in offered else "is not known to the farm"
            raise FarmNotReady(f"The style {name} {state} (GET /styles: {response.status_code}).")
        time.sleep(LOOK_SECONDS)


def is_simulated(booth: Booth) -> bool:
    """Does the farm say of itself that its pictures are not real? Elsewhere a cloud style costs money."""
    try:
        return SIMULATED in booth.get_page("/ops/login").text
    except requests.RequestException:
        return False
