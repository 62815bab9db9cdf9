"""Lost answers: how many of its claims a worker has given up, and on which devices each checkpoint was trained"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workers", sa.Column("lost_claims", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("checkpoints", sa.Column("devices", postgresql.ARRAY(sa.Text()), nullable=True))


def downgrade() -> None:
    op.drop_column("checkpoints", "devices")
    op.drop_column("workers", "lost_claims")
