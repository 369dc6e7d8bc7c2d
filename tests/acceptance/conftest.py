"""Farms as processes, with stand-ins in the test's own process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.simulators.comfyui import Settings, StandIn
from tests.acceptance.farm_process import Booth, FarmProcess

StartFarm = Callable[..., tuple[FarmProcess, Booth, list[StandIn]]]


@pytest.fixture
def start_farm(tmp_path: Path) -> Iterator[StartFarm]:
    """Start a farm: `start_farm(servers=2, seconds=0.1, NAME="value")` gives the farm, a booth and its stand-ins."""
    farms: list[FarmProcess] = []
    stand_ins: list[StandIn] = []

    def start(*, servers: int = 2, seconds: float = 0.1, **settings: str) -> tuple[FarmProcess, Booth, list[StandIn]]:
        for _ in range(servers):
            stand_in = StandIn(Settings(seconds=seconds))
            stand_in.start()
            stand_ins.append(stand_in)
        urls = ",".join(stand_in.url for stand_in in stand_ins)
        farm = FarmProcess(tmp_path / "data", COMFYUI_URLS=urls, **settings)
        farms.append(farm)
        farm.start()
        return farm, Booth(farm, farm.make_key()), stand_ins

    yield start
    for stand_in in stand_ins:
        stand_in.clear_faults()
    for farm in farms:
        if farm.process is not None and farm.process.poll() is None:
            farm.kill()
    for stand_in in stand_ins:
        stand_in.stop()
