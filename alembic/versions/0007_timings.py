"""What a timing was measured under"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("trials", sa.Column("circumstances", JSONB()))


def downgrade() -> None:
    # an earlier version knows no tasks but training, and would train what is to be timed
    op.execute("""
        UPDATE trials SET state = 'cancelled', lease_token = NULL, lease_until = NULL, rung = NULL,
               finished_at = clock_timestamp()
        WHERE state IN ('waiting', 'running') AND sweep_id IN (SELECT id FROM sweeps WHERE task <> 'train_mlp')
    """)
    op.execute("""
        UPDATE sweeps SET state = 'cancelled', finished_at = clock_timestamp()
        WHERE state IN ('queued', 'running', 'paused', 'stopping') AND task <> 'train_mlp'
    """)
    op.drop_column("trials", "circumstances")
