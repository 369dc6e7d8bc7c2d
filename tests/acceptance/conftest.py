"""Farms as processes, with stand-ins in the test's own process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.simulators.comfyui import Settings, StandIn
from tests.acceptance.farm_process import Booth, FarmProcess

StartFarm = Callable[..., tuple[FarmProcess, Booth, list[StandIn]]]


@contextmanager
def farms_below(folder: Path) -> Iterator[StartFarm]:
    """A function that starts farms with their data below `folder`. They are killed in the end."""
    farms: list[FarmProcess] = []
    stand_ins: list[StandIn] = []

    def start(*, servers: int = 2, seconds: float = 0.1, **settings: str) -> tuple[FarmProcess, Booth, list[StandIn]]:
        own = [StandIn(Settings(seconds=seconds)).start() for _ in range(servers)]
        stand_ins.extend(own)
        farm = FarmProcess(folder / f"data-{len(farms)}", COMFYUI_URLS=",".join(one.url for one in own), **settings)
        farms.append(farm)
        farm.start()
        return farm, Booth(farm, farm.make_key()), own

    try:
        yield start
    finally:
        for stand_in in stand_ins:
            stand_in.clear_faults()
        for farm in farms:
            if farm.process is not None and farm.process.poll() is None:
                farm.kill()
        for stand_in in stand_ins:
            stand_in.stop()


@pytest.fixture
def start_farm(tmp_path: Path) -> Iterator[StartFarm]:
    """Start a farm: `start_farm(servers=2, seconds=0.1, NAME="value")` gives the farm, a booth and its stand-ins."""
    with farms_below(tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def start_shared_farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartFarm]:
    """The same, for farms that all tests of a module share: each start costs five seconds of a processor."""
    with farms_below(tmp_path_factory.mktemp("farms")) as start:
        yield start
