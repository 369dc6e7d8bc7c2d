"""The brake of cloud providers, why a pause is on, and what a call is expected to cost."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "brakes",
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("allowed", sa.Integer(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("budget", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_brakes")),
    )
    # A pause of before was an operator's, or one of a minute or two that is over soon.
    op.add_column("pauses", sa.Column("kind", sa.String(length=16), nullable=False, server_default="operator"))
    op.add_column("calls", sa.Column("price", sa.Double(), nullable=True))
    op.create_index("ix_calls_provider_sent_at", "calls", ["provider", "sent_at"], unique=False)
