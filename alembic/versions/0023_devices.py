"""Devices: the kind that a sweep wishes for, and those on which each trial was trained"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sweeps", sa.Column("device", sa.Text(), nullable=True))
    names = postgresql.ARRAY(sa.Text())
    op.add_column("trials", sa.Column("devices", names, server_default=sa.text("'{}'"), nullable=False))


def downgrade() -> None:
    op.drop_column("trials", "devices")
    op.drop_column("sweeps", "device")
