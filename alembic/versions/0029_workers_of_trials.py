"""Workers of trials: no foreign key, by which all trials were read for each worker that is forgotten"""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_NAME = "fk_trials_worker_id_workers"


def upgrade() -> None:
    op.drop_constraint(_NAME, "trials", type_="foreignkey")


def downgrade() -> None:
    op.execute("UPDATE trials SET worker_id = NULL WHERE worker_id NOT IN (SELECT id FROM workers)")
    op.create_foreign_key(_NAME, "trials", "workers", ["worker_id"], ["id"], ondelete="SET NULL")
