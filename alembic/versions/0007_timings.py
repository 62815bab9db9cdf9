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
    op.drop_column("trials", "circumstances")
