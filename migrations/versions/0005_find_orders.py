"""Indexes that operators find orders by: those with a task of a status, and ids that begin so."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_index("ix_tasks_status_order_id", "tasks", ["status", "order_id"])
    op.create_index(
        "ix_orders_order_id_start", "orders", ["order_id"], postgresql_ops={"order_id": "varchar_pattern_ops"}
    )
