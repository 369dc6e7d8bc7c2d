"""Alembic's entry: runs the migrations on the connection that jobs/database/migrate.py hands over."""

from alembic import context

import jobs.access.models
import jobs.cloud.models
import jobs.comfyui.models
import jobs.erasure.models
import jobs.orders.models  # noqa: F401  importing the tables is what registers them
from jobs.database import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
)
context.run_migrations()
