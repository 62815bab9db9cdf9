"""Search and lifecycle: objectives, constraints, pruners, policies, notes, seeds, history"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, ENUM, JSONB

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
        sa.Column("imported_from", sa.BigInteger()),
    ]


def trial_columns() -> list[sa.Column[Any]]:
    """New each time, as above."""
    return [
        sa.Column("other_values", ARRAY(sa.Float(53))),
        sa.Column("reason", sa.Text()),
        sa.Column("configuration", sa.Text()),
        sa.Column("first_seed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("enqueued", sa.Boolean(), server_default=NO, nullable=False),
        sa.Column("idempotency_key", sa.Text()),
        sa.Column("excluded", sa.Boolean(), server_default=NO, nullable=False),
        sa.Column("model_wanted", sa.Boolean(), server_default=NO, nullable=False),
        sa.Column("retrain_at", sa.DateTime(timezone=True)),
        sa.Column("history", JSONB(), server_default=NONE_YET, nullable=False),
    ]


# A change of state and the word of it are one transaction, whichever statement makes the change.
QUEUE_DELIVERY = """
    CREATE FUNCTION queue_webhook_delivery() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO webhook_deliveries (sweep_id, state) VALUES (NEW.id, NEW.state);
        RETURN NULL;
    END $$
"""
ON_CHANGE = """
    CREATE TRIGGER sweep_state_changed AFTER UPDATE OF state ON sweeps FOR EACH ROW
    WHEN (NEW.state <> OLD.state AND NEW.webhook IS NOT NULL) EXECUTE FUNCTION queue_webhook_delivery()
"""


def create_deliveries() -> None:
    """The outbox of the webhooks."""
    now = sa.text("clock_timestamp()")
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("delivery", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("sweep_id", sa.BigInteger(), nullable=False),
        sa.Column("state", ENUM(name="sweep_state", create_type=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("body", sa.Text()),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), server_default=now),
        sa.Column("delivered_at", sa.DateTime(timezone=True)),
        sa.Column("status", sa.BigInteger()),
        sa.Column("error", sa.Text()),
        sa.CheckConstraint("delivered_at IS NULL OR next_attempt_at IS NULL", name="delivered_is_done"),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweeps.id"], ondelete="CASCADE"),
    )
    waiting = sa.text("next_attempt_at IS NOT NULL")
    op.create_index("ix_webhook_deliveries_due", "webhook_deliveries", ["next_attempt_at"], postgresql_where=waiting)
    op.create_index("ix_webhook_deliveries_sweep_id_id", "webhook_deliveries", ["sweep_id", "id"])
    op.execute(QUEUE_DELIVERY)
    op.execute(ON_CHANGE)


def upgrade() -> None:
    # an enum's value can't be taken away again, so it may be there
    op.execute("ALTER TYPE trial_state ADD VALUE IF NOT EXISTS 'infeasible'")
    op.execute("ALTER TYPE run_state ADD VALUE IF NOT EXISTS 'pruned'")
    op.drop_constraint(op.f("ck_runs_complete_has_value"), "runs")
    op.create_check_constraint(op.f("ck_runs_diverged_has_no_value"), "runs", "(state = 'diverged') = (value IS NULL)")
    for column in sweep_columns():
        op.add_column("sweeps", column)
    for column in trial_columns():
        op.add_column("trials", column)
    op.create_index("ix_trials_repeated", "trials", ["sweep_id"], postgresql_where=sa.text("first_seed > 0"))
    op.create_index("ix_trials_sweep_id_configuration", "trials", ["sweep_id", "configuration"])
    op.create_index("ix_trials_retrain", "trials", ["retrain_at"], postgresql_where=sa.text("retrain_at IS NOT NULL"))
    op.create_index(
        "ix_trials_idempotency_key",
        "trials",
        ["sweep_id", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    create_deliveries()
    op.create_index("ix_trials_best", "trials", ["sweep_id", "value"], postgresql_where=sa.text("state = 'complete'"))
    op.create_index(
        "ix_trials_waiting",
        "trials",
        [
            "sweep_id",
            sa.text("(attempt >= 2) DESC"),
            sa.text("enqueued DESC"),
            sa.text("cost DESC NULLS LAST"),
            "number",
        ],
        postgresql_where=sa.text("state = 'waiting'"),
    )


def downgrade() -> None:
    op.drop_index("ix_trials_waiting", "trials")
    op.drop_index("ix_trials_best", "trials")
    op.execute("DROP TRIGGER sweep_state_changed ON sweeps")
    op.execute("DROP FUNCTION queue_webhook_delivery()")
    op.drop_table("webhook_deliveries")
    op.execute("DELETE FROM trials WHERE state = 'infeasible'")
    op.execute("DELETE FROM runs WHERE state = 'pruned'")
    op.drop_constraint(op.f("ck_runs_diverged_has_no_value"), "runs")
    op.create_check_constraint(op.f("ck_runs_complete_has_value"), "runs", "(state = 'complete') = (value IS NOT NULL)")
    op.drop_index("ix_trials_sweep_id_configuration", "trials")
    op.drop_index("ix_trials_retrain", "trials")
    op.drop_index("ix_trials_repeated", "trials")
    for column in trial_columns():
        op.drop_column("trials", column.name)
    for column in sweep_columns():
        op.drop_column("sweeps", column.name)
