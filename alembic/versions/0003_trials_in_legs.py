"""Trials are trained in legs: checkpoints, rungs and brackets"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, TSTZMULTIRANGE

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Sweeps that are there judge their trials at once, as they did.
KEEP_STOPPING = """
    UPDATE sweeps SET pruner = pruner || '{"mode": "stopping"}'
    WHERE pruner ->> 'name' IN ('successive_halving', 'hyperband')
"""
FORGET_MODE = "UPDATE sweeps SET pruner = (pruner - 'mode') #- '{wrapped,mode}' WHERE pruner IS NOT NULL"


def make_waiting_index(condition: str) -> None:
    order = ["sweep_id", "(attempt >= 2) DESC", "enqueued DESC", "cost DESC NULLS LAST", "number"]
    columns = [sa.text(column) for column in order]
    op.create_index("ix_trials_waiting", "trials", columns, postgresql_where=sa.text(condition))


def upgrade() -> None:
    op.add_column("sweeps", sa.Column("claimed_at", sa.DateTime(timezone=True)))
    empty = sa.text("'{}'")
    op.add_column("sweeps", sa.Column("earlier_legs", TSTZMULTIRANGE(), server_default=empty, nullable=False))
    op.execute(KEEP_STOPPING)
    op.add_column("trials", sa.Column("epochs_trained", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("trials", sa.Column("bracket", sa.BigInteger()))
    op.add_column("trials", sa.Column("rung", sa.BigInteger()))
    op.add_column("trials", sa.Column("rung_means", ARRAY(sa.Float(53)), server_default=empty, nullable=False))
    op.create_check_constraint(op.f("ck_trials_waits_at_rung"), "trials", "rung IS NULL OR state = 'waiting'")
    between_legs = sa.text("state = 'waiting' AND (rung_means <> '{}' OR epochs_trained > 0)")
    op.create_index("ix_trials_between_legs", "trials", ["sweep_id"], postgresql_where=between_legs)
    op.drop_index("ix_trials_waiting", "trials")
    make_waiting_index("state = 'waiting' AND rung IS NULL")
    op.create_table(
        "checkpoints",
        sa.Column("trial_id", sa.BigInteger(), primary_key=True),
        sa.Column("epochs_done", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["trial_id"], ["trials.id"], ondelete="CASCADE"),
    )
    # random numbers that nothing compresses
    op.execute("ALTER TABLE checkpoints ALTER COLUMN data SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("checkpoints")
    op.drop_index("ix_trials_waiting", "trials")
    op.drop_index("ix_trials_between_legs", "trials")
    op.drop_constraint(op.f("ck_trials_waits_at_rung"), "trials")
    for column in ("rung_means", "rung", "bracket", "epochs_trained"):
        op.drop_column("trials", column)
    make_waiting_index("state = 'waiting'")
    op.execute(FORGET_MODE)
    op.drop_column("sweeps", "earlier_legs")
    op.drop_column("sweeps", "claimed_at")
