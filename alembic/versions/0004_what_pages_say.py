"""What pages say: looks at the test images, the time in which a sweep had ended, and how long trials were to take"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def sweep_columns() -> list[sa.Column[Any]]:
    """New each time: a column belongs to one table once it was added."""
    return [
        sa.Column("test_scores", JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("ended_seconds", sa.Float(), server_default=sa.text("0"), nullable=False),
        sa.Column("trial_seconds", sa.Float()),
    ]


# Of the looks so far only the last one at each trial is known: those are the scores that its runs have.
FILL_SCORES = """
    UPDATE sweeps SET test_scores = looks.scores
    FROM (
        SELECT sweep_id, jsonb_agg(
            jsonb_build_object('at', NULL, 'number', number, 'runs', runs, 'test_accuracy', accuracy) ORDER BY number
        ) AS scores
        FROM (
            SELECT t.sweep_id, t.number, count(*) AS runs, avg(r.test_accuracy) AS accuracy
            FROM trials t JOIN runs r ON r.trial_id = t.id WHERE r.test_accuracy IS NOT NULL GROUP BY t.id
        ) AS scored GROUP BY sweep_id
    ) AS looks
    WHERE looks.sweep_id = sweeps.id
"""


def upgrade() -> None:
    for column in sweep_columns():
        op.add_column("sweeps", column)
    op.execute(FILL_SCORES)


def downgrade() -> None:
    for column in sweep_columns():
        op.drop_column("sweeps", column.name)
