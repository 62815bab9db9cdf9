"""Diagnostics: what a run's network does with a fixed sample after an epoch, of the sweeps that ask for it"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sweeps", sa.Column("diagnostics", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_table(
        "diagnostics",
        sa.Column("trial_id", sa.BigInteger(), nullable=False),
        sa.Column("seed", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("dead_share", ARRAY(sa.Float(53)), nullable=False),
        sa.Column("activation_rms", ARRAY(sa.Float(53)), nullable=False),
        sa.Column("gradient_rms", ARRAY(sa.Float(53)), nullable=False),
        sa.Column("predicted_classes", sa.BigInteger(), nullable=False),
        sa.Column("top_class_share", sa.Float(), nullable=False),
        sa.Column("distinct_outputs", sa.BigInteger(), nullable=False),
        sa.Column("bottleneck", ARRAY(sa.Float(53), dimensions=2), nullable=True),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_diagnostics_trial_id_trials"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trial_id", "seed", "epoch", name=op.f("pk_diagnostics")),
    )


def downgrade() -> None:
    op.drop_table("diagnostics")
    op.drop_column("sweeps", "diagnostics")
