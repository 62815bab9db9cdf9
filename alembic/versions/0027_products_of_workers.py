"""Products of workers: which each computes beside exact ones, so that nothing is left to one that may not train it"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workers", sa.Column("products", sa.Text(), server_default="float32", nullable=False))


def downgrade() -> None:
    op.drop_column("workers", "products")
