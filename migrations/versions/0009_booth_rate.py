"""How many orders a booth may send in a minute, where it is not what the settings say."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("booths", sa.Column("rate", sa.Integer(), nullable=True))
