"""Data sets of the users' own, in pieces"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "datasets",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False, unique=True),
        sa.Column("content_hash", sa.Text(), nullable=False, unique=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("facts", JSONB(), nullable=False),
        sa.Column("description", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )
    op.create_table(
        "dataset_pieces",
        sa.Column("dataset_id", sa.BigInteger(), sa.ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )
    # numbers that look random: Postgres would try to compress them in vain
    op.execute("ALTER TABLE dataset_pieces ALTER COLUMN content SET STORAGE EXTERNAL")
    op.add_column("sweeps", sa.Column("dataset_id", sa.BigInteger(), sa.ForeignKey("datasets.id"), nullable=True))
    op.create_index("ix_sweeps_dataset_id", "sweeps", ["dataset_id"])


def downgrade() -> None:
    op.drop_column("sweeps", "dataset_id")
    op.drop_table("dataset_pieces")
    op.drop_table("datasets")
