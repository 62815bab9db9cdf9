"""Sweeps whose first trials are the best configurations of earlier ones"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sweeps", sa.Column("warm_start", postgresql.JSONB(none_as_null=True), nullable=True))
    op.add_column("sweeps", sa.Column("warm_started", postgresql.JSONB(none_as_null=True), nullable=True))
    op.add_column("trials", sa.Column("warm_started_from", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("trials", "warm_started_from")
    op.drop_column("sweeps", "warm_started")
    op.drop_column("sweeps", "warm_start")
