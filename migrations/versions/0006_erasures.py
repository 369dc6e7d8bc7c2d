"""What is owed of deleted orders, and what is known of the sweepers beside ComfyUI."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.String(length=16), nullable=False),
        sa.Column("server", sa.String(length=200), nullable=True),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settles_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("again_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("why", sa.String(length=100), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_erasures_order_id_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
    op.create_index("ix_erasures_order_id", "erasures", ["order_id"], unique=False)
    op.create_index(
        "ix_erasures_owed",
        "erasures",
        ["again_at"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    # Retention looks for the oldest orders that are still there, among ever more that are not.
    op.create_index(
        "ix_orders_kept",
        "orders",
        ["created_at"],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.add_column("servers", sa.Column("sweeper_seen_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("servers", sa.Column("sweeper_silent_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("servers", sa.Column("sweeper_why", sa.String(length=100), nullable=True))
    op.add_column("servers", sa.Column("copies_oldest_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("servers", sa.Column("copies", sa.Integer(), nullable=True))
    op.add_column("servers", sa.Column("copies_bytes", sa.BigInteger(), nullable=True))
