"""What operators set while the farm runs: limits of resources, who drained a server and when, who paused what."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "resource_limits",
        sa.Column("resource", sa.String(length=32), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("resource", name=op.f("pk_resource_limits")),
    )
    op.add_column("servers", sa.Column("drained_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("servers", sa.Column("drained_by", sa.String(length=100), nullable=True))
    op.add_column("pauses", sa.Column("actor", sa.String(length=100), nullable=True))
