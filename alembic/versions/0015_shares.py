"""Links that show one sweep or one run of an exercise"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shares",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("sweep_id", sa.BigInteger()),
        sa.Column("exercise_run_id", sa.BigInteger()),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("created_by", sa.Text()),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(sweep_id IS NULL) <> (exercise_run_id IS NULL)", name="shows_one_thing"),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweeps.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["exercise_run_id"], ["exercise_runs.id"], ondelete="CASCADE"),
    )
    op.create_index("ix_shares_sweep_id", "shares", ["sweep_id"])
    op.create_index("ix_shares_exercise_run_id", "shares", ["exercise_run_id"])


def downgrade() -> None:
    op.drop_table("shares")
