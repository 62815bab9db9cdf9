"""Trials that train on where others ended, and the checkpoints that are kept for them"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("trials", sa.Column("continued_from", sa.BigInteger(), nullable=True))
    op.add_column("checkpoints", sa.Column("is_final", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.execute("DELETE FROM checkpoints WHERE is_final")
    op.drop_column("checkpoints", "is_final")
    op.drop_column("trials", "continued_from")
