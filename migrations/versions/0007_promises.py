"""From when to when each task's picture was promised, to be compared with when it was there."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    # What was accepted before was promised nothing that could be judged.
    op.add_column("tasks", sa.Column("promised_low_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("tasks", sa.Column("promised_high_at", sa.DateTime(timezone=True), nullable=True))
