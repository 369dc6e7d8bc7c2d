"""The migrations make exactly the tables that the code declares, on both databases."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import jobs.access.models
import jobs.cloud.models
import jobs.comfyui.models
import jobs.erasure.models
import jobs.orders.models  # noqa: F401  importing the tables is what registers them
from jobs.database import Base
from jobs.database.migrate import migrate
from jobs.database.revision import is_current
from jobs.farm import Farm


def test_the_migrated_database_is_what_the_models_say(farm: Farm) -> None:
    with farm.database.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    assert differences == []


def test_migrating_twice_changes_nothing(farm: Farm) -> None:
    migrate(farm.database)
    assert is_current(farm.database)
