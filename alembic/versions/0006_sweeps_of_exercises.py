"""A sweep of an exercise's run says which of the exercise's sweeps it is"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Until now there was one exercise, of one sweep."""
    op.add_column("sweeps", sa.Column("exercise_sweep", sa.Text()))
    op.execute("UPDATE sweeps SET exercise_sweep = 'width' WHERE exercise_run_id IS NOT NULL")


def downgrade() -> None:
    """Takes the column away."""
    op.drop_column("sweeps", "exercise_sweep")
