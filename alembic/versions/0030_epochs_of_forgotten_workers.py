"""Epochs that workers had trained beyond a trial's checkpoint, where a claim can't tell any more that there was one"""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Until 0029 a trial lost its worker with the worker's row; since then a claim removes what comes after the
    # checkpoint of those alone that had one. What a trial has that waits at its first rung stays, as with a claim.
    for table in ("epochs", "diagnostics"):
        op.execute(f"""
            DELETE FROM {table} curve USING trials t
            WHERE t.id = curve.trial_id AND t.state = 'waiting' AND t.worker_id IS NULL
              AND curve.epoch > t.epochs_trained AND (t.epochs_trained > 0 OR t.rung_means = '{{}}')
        """)


def downgrade() -> None:
    """Nothing: those epochs are trained again."""
