"""Faults of the cloud services: killed, hung, and every way an answer of theirs can go wrong."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from scripts.storming.clouds import Cloud
from scripts.storming.on_servers import frozen, killed, wished
from scripts.storming.place import Place
from scripts.storming.strikes import Draw, Strike

DATE_SECONDS = 3
RETRY_AFTER: tuple[Callable[[], str], ...] = (
    lambda: "2",
    lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=DATE_SECONDS), usegmt=True),
    lambda: "-5",
    lambda: "9999999",
)
"""How long a busy provider asks to be left alone: seconds, a date, nonsense, for ever."""
PAGE = "<html>Bad Gateway</html>"
RESULTS = "/results"

BUYING: dict[str, tuple[float, float, Mapping[str, Any]]] = {
    # fault -> weight, seconds, what the stand-in is asked for where pictures are bought
    "cloud 500": (3, 3.0, {"kind": "status", "status": 500, "body": PAGE}),
    "cloud out of money": (1, 2.0, {"kind": "status", "status": 402, "body": {}, "times": 1}),
    "cloud answer lost": (4, 4.0, {"kind": "drop_after", "times": 1}),
    "cloud hangs after": (3, 5.0, {"kind": "hang_after", "times": 1}),
    "cloud wrong answer": (2, 4.0, {"kind": "body", "body": [], "times": 1}),
}
ASKING: dict[str, tuple[float, float, Mapping[str, Any]]] = {
    # the same where a provider is asked about what was bought
    "cloud polls hang": (2, 5.0, {"kind": "hang"}),
    "cloud polls 500": (2, 4.0, {"kind": "status", "status": 500, "body": PAGE}),
    "cloud polls html": (2, 4.0, {"kind": "body", "body": PAGE}),
    "cloud polls lost": (1, 4.0, {"kind": "drop_after"}),
}
FETCHING: dict[str, tuple[float, float, Mapping[str, Any]]] = {
    # the same where finished pictures lie
    "cloud results torn": (2, 4.0, {"kind": "truncate", "path": RESULTS, "times": 2}),
    "cloud results cut": (1, 4.0, {"kind": "cut", "path": RESULTS, "times": 1}),
    "cloud results expired": (1, 3.0, {"kind": "status", "status": 404, "path": RESULTS}),
}
WORKING: dict[str, tuple[float, float, Mapping[str, Any]]] = {
    # the same for the work itself
    "cloud work fails": (2, 4.0, {"kind": "task_error", "times": 1}),
    "cloud work waits": (2, 4.0, {"kind": "hold", "times": 1}),
}


def kill(place: Place, chance: random.Random) -> Strike:
    cloud = draw_cloud(place, chance)
    return killed("kill cloud", cloud.provider, cloud.machine, chance)


def freeze(place: Place, chance: random.Random) -> Strike:
    cloud = draw_cloud(place, chance)
    return frozen("freeze cloud", cloud.provider, cloud.machine, chance)


def draw_cloud(place: Place, chance: random.Random, *, is_asked: bool = False) -> Cloud:
    """Any provider's stand-in; one that is asked about its calls where only those can go wrong so."""
    return chance.choice([cloud for cloud in place.clouds.values() if cloud.dialect.asks or not is_asked])


def be_busy(place: Place, chance: random.Random) -> Strike:
    cloud = draw_cloud(place, chance)
    headers = {"Retry-After": chance.choice(RETRY_AFTER)()}
    wish = {"kind": "status", "status": 429, "body": {}, "headers": headers, "path": cloud.dialect.buys, "times": 2}
    return wished("cloud 429", cloud.provider, cloud.url, cloud.machine, 3.0, wish)


def while_buying(fault: str, seconds: float, wish: Mapping[str, Any]) -> Draw:
    """A fault at the place where pictures are bought."""

    def draw(place: Place, chance: random.Random) -> Strike:
        cloud = draw_cloud(place, chance)
        there = {"path": cloud.dialect.buys, "method": "POST"}
        return wished(fault, cloud.provider, cloud.url, cloud.machine, seconds, dict(wish) | there)

    return draw


def while_asked(fault: str, seconds: float, wish: Mapping[str, Any]) -> Draw:
    """A fault at the place where a provider is asked about its calls."""

    def draw(place: Place, chance: random.Random) -> Strike:
        cloud = draw_cloud(place, chance, is_asked=True)
        there = {"path": cloud.dialect.asks, "method": "GET"}
        return wished(fault, cloud.provider, cloud.url, cloud.machine, seconds, dict(wish) | there)

    return draw


def at_results(fault: str, seconds: float, wish: Mapping[str, Any]) -> Draw:
    """A fault where the pictures of a provider lie that answers with their addresses."""

    def draw(place: Place, chance: random.Random) -> Strike:
        cloud = draw_cloud(place, chance, is_asked=True)
        return wished(fault, cloud.provider, cloud.url, cloud.machine, seconds, wish)

    return draw


def at_work(fault: str, seconds: float, wish: Mapping[str, Any]) -> Draw:
    """A fault of the work itself."""

    def draw(place: Place, chance: random.Random) -> Strike:
        cloud = draw_cloud(place, chance)
        return wished(fault, cloud.provider, cloud.url, cloud.machine, seconds, wish)

    return draw


SHARE = 0.6
"""So that of all faults about a fifth hit the clouds."""
DRAWS: list[tuple[float, Draw]] = [
    (SHARE * 6, kill),
    (SHARE * 4, freeze),
    (SHARE * 4, be_busy),
    *(
        (SHARE * weight, where(fault, seconds, wish))
        for table, where in ((BUYING, while_buying), (ASKING, while_asked), (FETCHING, at_results), (WORKING, at_work))
        for fault, (weight, seconds, wish) in table.items()
    ),
]
