"""The fallback ladder: on which rung a step stands and why, and what made each picture."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # What waits already stands on its step as written: recipes of before have no alternatives.
    op.add_column("steps", sa.Column("rung", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("steps", sa.Column("rung_why", sa.String(length=16), nullable=True))
    op.add_column("images", sa.Column("made_by", sa.JSON(), nullable=True))
