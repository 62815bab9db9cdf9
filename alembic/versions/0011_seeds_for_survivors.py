"""Sweeps that train the better configurations with further seeds"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

CONSTRAINT = "ck_sweeps_survivors_have_more_seeds"


def upgrade() -> None:
    op.add_column("sweeps", sa.Column("survivor_seeds", sa.BigInteger(), nullable=True))
    op.create_check_constraint(op.f(CONSTRAINT), "sweeps", "survivor_seeds > seeds")
    op.add_column("trials", sa.Column("is_survivor", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("trials", "is_survivor")
    op.drop_constraint(op.f(CONSTRAINT), "sweeps")
    op.drop_column("sweeps", "survivor_seeds")
