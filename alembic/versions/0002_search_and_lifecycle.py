"""Search and lifecycle: objectives, constraints, pruners, policies, notes, seeds, history"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NO = sa.text("false")
NONE_YET = sa.text("'[]'")
EMPTY = sa.text("'{}'")


def sweep_columns() -> list[sa.Column[Any]]:
    """New each time: a column belongs to one table once it was added."""
    return [
        sa.Column("objectives", JSONB(), server_default=NONE_YET, nullable=False),
        sa.Column("constraints", JSONB(), server_default=NONE_YET, nullable=False),
        sa.Column("pruner", JSONB()),
        sa.Column("repeats", sa.Text(), server_default="new_seeds", nullable=False),
        sa.Column("best_by", sa.Text(), server_default="mean", nullable=False),
        sa.Column("stop_rules", JSONB(), server_default=EMPTY, nullable=False),
        sa.Column("stop_reason", sa.Text()),
        sa.Column("environment", JSONB(), server_default=EMPTY, nullable=False),
        sa.Column("keep_models", sa.Text(), server_default="best", nullable=False),
        sa.Column("notes", sa.Text(), server_default="", nullable=False),
        sa.Column("tags", ARRAY(sa.Text()), server_default=EMPTY, nullable=False),
        sa.Column("priority", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("webhook", JSONB()),
    ]


def trial_columns() -> list[sa.Column[Any]]:
    """New each time, as above."""
    return [
        sa.Column("other_values", ARRAY(sa.Float(53))),
        sa.Column("reason", sa.Text()),
        sa.Column("configuration", sa.Text()),
        sa.Column("first_seed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("enqueued", sa.Boolean(), server_default=NO, nullable=False),
        sa.Column("excluded", sa.Boolean(), server_default=NO, nullable=False),
        sa.Column("model_wanted", sa.Boolean(), server_default=NO, nullable=False),
        sa.Column("retrain_at", sa.DateTime(timezone=True)),
        sa.Column("history", JSONB(), server_default=NONE_YET, nullable=False),
    ]


def upgrade() -> None:
    # an enum's value can't be taken away again, so it may be there
    op.execute("ALTER TYPE trial_state ADD VALUE IF NOT EXISTS 'infeasible'")
    for column in sweep_columns():
        op.add_column("sweeps", column)
    for column in trial_columns():
        op.add_column("trials", column)
    op.create_index("ix_trials_retrain", "trials", ["retrain_at"], postgresql_where=sa.text("retrain_at IS NOT NULL"))


def downgrade() -> None:
    op.execute("DELETE FROM trials WHERE state = 'infeasible'")
    op.drop_index("ix_trials_retrain", "trials")
    for column in trial_columns():
        op.drop_column("trials", column.name)
    for column in sweep_columns():
        op.drop_column("sweeps", column.name)
