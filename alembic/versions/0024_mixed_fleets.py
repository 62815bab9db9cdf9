"""Mixed fleets: how fast each worker trains, and the memory that a trial needs which was too large for one"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workers", sa.Column("speed", sa.Float(53), nullable=True))
    op.add_column("trials", sa.Column("least_memory", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("trials", "least_memory")
    op.drop_column("workers", "speed")
