"""Workers over HTTP: a role for their keys, and whether a worker is one"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TYPE key_role ADD VALUE 'worker' BEFORE 'read'")
    op.add_column("workers", sa.Column("over_http", sa.Boolean(), server_default=sa.text("false"), nullable=False))


def downgrade() -> None:
    op.drop_column("workers", "over_http")
    op.execute("DELETE FROM keys WHERE role = 'worker'")
    op.execute("ALTER TYPE key_role RENAME TO key_role_with_workers")
    op.execute("CREATE TYPE key_role AS ENUM ('read', 'write', 'admin')")
    op.execute("ALTER TABLE keys ALTER COLUMN role TYPE key_role USING CAST(CAST(role AS text) AS key_role)")
    op.execute("DROP TYPE key_role_with_workers")
