"""Deletion in pieces: a sweep is gone at once, and its trials one after the other, which no longer hold on to it"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_LARGE_TABLES = ("trials", "runs", "epochs")

# Whoever deletes a sweep, an earlier version or somebody by hand, leaves its trials to be cleared; and none of them waits
# for a worker of an earlier version, which would look for the sweep.
_LEAVE_TRIALS = """
    CREATE FUNCTION leave_trials_to_be_cleared() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO deleted_sweeps (sweep_id) VALUES (OLD.id) ON CONFLICT DO NOTHING;
        UPDATE trials SET retrain_at = NULL WHERE sweep_id = OLD.id AND retrain_at IS NOT NULL;
        RETURN NULL;
    END $$
"""
_ON_DELETION = """
    CREATE TRIGGER sweep_deleted AFTER DELETE ON sweeps FOR EACH ROW EXECUTE FUNCTION leave_trials_to_be_cleared()
"""


def upgrade() -> None:
    op.create_table(
        "deleted_sweeps",
        sa.Column("sweep_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )
    op.drop_constraint("fk_trials_sweep_id_sweeps", "trials", type_="foreignkey")
    op.execute(_LEAVE_TRIALS)
    op.execute(_ON_DELETION)
    # by itself Postgres looks for dead rows once a fifth of a table is dead: of a million trials 200,000
    for table in _LARGE_TABLES:
        op.execute(f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.02)")


def downgrade() -> None:
    for table in _LARGE_TABLES:
        op.execute(f"ALTER TABLE {table} RESET (autovacuum_vacuum_scale_factor)")
    op.execute("DROP TRIGGER sweep_deleted ON sweeps")
    op.execute("DROP FUNCTION leave_trials_to_be_cleared()")
    op.execute("DELETE FROM trials t WHERE NOT EXISTS (SELECT FROM sweeps s WHERE s.id = t.sweep_id)")
    op.create_foreign_key("fk_trials_sweep_id_sweeps", "trials", "sweeps", ["sweep_id"], ["id"], ondelete="CASCADE")
    op.drop_table("deleted_sweeps")
