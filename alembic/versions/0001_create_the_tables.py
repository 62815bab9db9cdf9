"""Create the tables"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exercise_runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("exercise", sa.BigInteger(), nullable=False),
        sa.Column("preset", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exercise_runs")),
    )
    op.create_index(op.f("ix_exercise_runs_exercise"), "exercise_runs", ["exercise"], unique=False)
    op.create_table(
        "workers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("threads", sa.BigInteger(), nullable=False),
        sa.Column("memory", sa.BigInteger(), nullable=False),
        sa.Column(
            "state", sa.Enum("idle", "training", "stopped", name="worker_state"), server_default="idle", nullable=False
        ),
        sa.Column("trials_done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.create_table(
        "sweeps",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("queued", "running", "paused", "stopping", "completed", "cancelled", "failed", name="sweep_state"),
            server_default="queued",
            nullable=False,
        ),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("space", sa.JSON(), nullable=False),
        sa.Column("sampler", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seeds", sa.BigInteger(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("exercise_run_id", sa.BigInteger(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("request_hash", sa.Text(), nullable=True),
        sa.Column("scored", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("revision", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state IN ('completed', 'cancelled', 'failed')) = (finished_at IS NOT NULL)",
            name=op.f("ck_sweeps_ended_has_finished_at"),
        ),
        sa.CheckConstraint(
            "(idempotency_key IS NULL) = (request_hash IS NULL)", name=op.f("ck_sweeps_idempotency_key_with_hash")
        ),
        sa.CheckConstraint("seeds >= 1", name=op.f("ck_sweeps_seeds_positive")),
        sa.ForeignKeyConstraint(
            ["exercise_run_id"],
            ["exercise_runs.id"],
            name=op.f("fk_sweeps_exercise_run_id_exercise_runs"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sweeps")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_sweeps_idempotency_key")),
    )
    op.create_index(
        "ix_sweeps_claimable",
        "sweeps",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_index(op.f("ix_sweeps_exercise_run_id"), "sweeps", ["exercise_run_id"], unique=False)
    op.create_index(
        "ix_sweeps_unscored",
        "sweeps",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state = 'completed' AND NOT scored"),
    )
    op.create_table(
        "trials",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("sweep_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("waiting", "running", "complete", "pruned", "failed", "cancelled", name="trial_state"),
            server_default="waiting",
            nullable=False,
        ),
        sa.Column("params", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("cost", sa.Double(), nullable=True),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("std", sa.Double(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("attempt", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("epochs_done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("epochs_total", sa.BigInteger(), nullable=True),
        sa.Column("worker_id", sa.Uuid(), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'running') = (lease_token IS NOT NULL) AND (lease_token IS NULL) = (lease_until IS NULL)",
            name=op.f("ck_trials_running_has_lease"),
        ),
        sa.CheckConstraint(
            "(state IN ('waiting', 'running')) = (finished_at IS NULL)", name=op.f("ck_trials_ended_has_finished_at")
        ),
        sa.CheckConstraint(
            "state <> 'complete' OR (value IS NOT NULL AND params IS NOT NULL)",
            name=op.f("ck_trials_complete_has_value"),
        ),
        sa.CheckConstraint("state <> 'failed' OR error IS NOT NULL", name=op.f("ck_trials_failed_has_error")),
        sa.CheckConstraint(
            "state IN ('complete', 'pruned') OR value IS NULL", name=op.f("ck_trials_value_only_of_ended")
        ),
        sa.CheckConstraint(
            "(params IS NULL) = (cost IS NULL) AND (params IS NULL) = (epochs_total IS NULL)",
            name=op.f("ck_trials_cost_with_params"),
        ),
        sa.ForeignKeyConstraint(
            ["sweep_id"], ["sweeps.id"], name=op.f("fk_trials_sweep_id_sweeps"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["worker_id"], ["workers.id"], name=op.f("fk_trials_worker_id_workers"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trials")),
        sa.UniqueConstraint("sweep_id", "number", name=op.f("uq_trials_sweep_id_number")),
    )
    op.create_index(
        "ix_trials_leased", "trials", ["lease_until"], unique=False, postgresql_where=sa.text("state = 'running'")
    )
    op.create_index("ix_trials_sweep_id_state", "trials", ["sweep_id", "state"], unique=False)
    op.create_table(
        "epochs",
        sa.Column("trial_id", sa.BigInteger(), nullable=False),
        sa.Column("seed", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("train_loss", sa.Double(), nullable=True),
        sa.Column("train_accuracy", sa.Double(), nullable=True),
        sa.Column("val_loss", sa.Double(), nullable=True),
        sa.Column("val_accuracy", sa.Double(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_epochs_trial_id_trials"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trial_id", "seed", "epoch", name=op.f("pk_epochs")),
    )
    op.create_table(
        "runs",
        sa.Column("trial_id", sa.BigInteger(), nullable=False),
        sa.Column("seed", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Enum("complete", "diverged", name="run_state"), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("test_accuracy", sa.Double(), nullable=True),
        sa.Column("weights", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("(state = 'complete') = (value IS NOT NULL)", name=op.f("ck_runs_complete_has_value")),
        sa.CheckConstraint("(state = 'diverged') = (error IS NOT NULL)", name=op.f("ck_runs_diverged_has_error")),
        sa.ForeignKeyConstraint(["trial_id"], ["trials.id"], name=op.f("fk_runs_trial_id_trials"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("trial_id", "seed", name=op.f("pk_runs")),
    )


def downgrade() -> None:
    op.drop_table("runs")
    op.drop_table("epochs")
    op.drop_index("ix_trials_sweep_id_state", table_name="trials")
    op.drop_index("ix_trials_leased", table_name="trials", postgresql_where=sa.text("state = 'running'"))
    op.drop_table("trials")
    op.drop_index(
        "ix_sweeps_unscored", table_name="sweeps", postgresql_where=sa.text("state = 'completed' AND NOT scored")
    )
    op.drop_index(op.f("ix_sweeps_exercise_run_id"), table_name="sweeps")
    op.drop_index(
        "ix_sweeps_claimable", table_name="sweeps", postgresql_where=sa.text("state IN ('queued', 'running')")
    )
    op.drop_table("sweeps")
    op.drop_table("workers")
    op.drop_index(op.f("ix_exercise_runs_exercise"), table_name="exercise_runs")
    op.drop_table("exercise_runs")
    for name in ("run_state", "trial_state", "worker_state", "sweep_state"):
        op.execute(f"DROP TYPE {name}")
