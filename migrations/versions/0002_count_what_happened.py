"""Count what happened: tallies of the events, and the indexes that keep figures and lists quick in a full database."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        # Ids of deleted events must not be given again: they would lie below the position, as if counted.
        with op.batch_alter_table("events", recreate="always", table_kwargs={"sqlite_autoincrement": True}):
            pass
    op.create_table(
        "tallies",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("labels", sa.String(length=200), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", "labels", name=op.f("pk_tallies")),
    )
    # Empty at first, which means "before the first event": the reconciler's next rounds count what is there already.
    op.create_table(
        "tally_position",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.Column("noted_event_id", sa.Integer(), nullable=False),
        sa.Column("noted_transaction", sa.BigInteger(), nullable=False),
        sa.Column("rolled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tally_position")),
    )
    op.drop_index("ix_tasks_style_finished_at", table_name="tasks")
    op.create_index("ix_tasks_status_finished_at", "tasks", ["status", "finished_at"], unique=False)
    op.create_index("ix_tasks_style_status_finished_at", "tasks", ["style", "status", "finished_at"], unique=False)
    op.create_index("ix_orders_booth_id_id", "orders", ["booth_id", "id"], unique=False)
    op.create_index("ix_photos_path", "photos", ["path"], unique=False)
    op.create_index("ix_images_path", "images", ["path"], unique=False)
    op.create_index("ix_images_thumbnail_path", "images", ["thumbnail_path"], unique=False)
