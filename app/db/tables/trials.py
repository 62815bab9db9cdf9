"""Trials, the entries of the queue, and their runs with one seed each."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Float,
    ForeignKey,
    Identity,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, stored_enum
from app.domain.states import RunState, TrialState

# One attempt is left: all but one of queue.MAX_ATTEMPTS were made. A literal, so that queries match ix_trials_waiting.
ON_LAST_ATTEMPT = "attempt >= 2"


class Trial(Base):
    """One configuration of hyperparameters, and the entry of the queue under which it is trained."""

    __tablename__ = "trials"
    __table_args__ = (
        UniqueConstraint("sweep_id", "number"),
        CheckConstraint(
            "(state = 'running') = (lease_token IS NOT NULL) AND (lease_token IS NULL) = (lease_until IS NULL)",
            name="running_has_lease",
        ),
        CheckConstraint("(state IN ('waiting', 'running')) = (finished_at IS NULL)", name="ended_has_finished_at"),
        CheckConstraint("state <> 'complete' OR (value IS NOT NULL AND params IS NOT NULL)", name="complete_has_value"),
        CheckConstraint("state <> 'failed' OR error IS NOT NULL", name="failed_has_error"),
        CheckConstraint("state IN ('complete', 'pruned') OR value IS NULL", name="value_only_of_ended"),
        CheckConstraint(
            "(params IS NULL) = (cost IS NULL) AND (params IS NULL) = (epochs_total IS NULL)", name="cost_with_params"
        ),
        CheckConstraint("rung IS NULL OR state = 'waiting'", name="waits_at_rung"),
        Index("ix_trials_sweep_id_state", "sweep_id", "state"),
        Index("ix_trials_sweep_id_configuration", "sweep_id", "configuration"),
        Index("ix_trials_repeated", "sweep_id", postgresql_where=text("first_seed > 0")),
        # the best trial and the next ones to claim are the first entries, so no sweep is read to its end for them
        Index("ix_trials_best", "sweep_id", "value", postgresql_where=text("state = 'complete'")),
        Index(
            "ix_trials_waiting",
            "sweep_id",
            text(f"({ON_LAST_ATTEMPT}) DESC"),
            text("enqueued DESC"),
            text("cost DESC NULLS LAST"),
            "number",
            postgresql_where=text("state = 'waiting' AND rung IS NULL"),
        ),
        Index(
            "ix_trials_between_legs",
            "sweep_id",
            postgresql_where=text("state = 'waiting' AND (rung_means <> '{}' OR epochs_trained > 0)"),
        ),
        Index("ix_trials_leased", "lease_until", postgresql_where=text("state = 'running'")),
        Index(
            "ix_trials_idempotency_key",
            "sweep_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
        Index("ix_trials_retrain", "retrain_at", postgresql_where=text("retrain_at IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    sweep_id: Mapped[int]  # no foreign key, which would have a sweep of 100,000 trials deleted in one transaction
    number: Mapped[int]
    state: Mapped[TrialState] = mapped_column(stored_enum(TrialState, "trial_state"), server_default="waiting")
    params: Mapped[dict[str, Any] | None] = mapped_column(
        JSON(none_as_null=True), doc="Null until the sampler is asked."
    )
    cost: Mapped[float | None] = mapped_column(doc="Multiply-adds of its whole training, per example of the data set.")
    value: Mapped[float | None]
    std: Mapped[float | None]
    other_values: Mapped[list[float] | None] = mapped_column(
        ARRAY(Float(53)), doc="Of the sweep's further objectives, in their order."
    )
    error: Mapped[str | None]
    reason: Mapped[str | None] = mapped_column(doc="Why it was pruned, is infeasible, or was not trained again.")
    configuration: Mapped[str | None] = mapped_column(doc="Hash of the parameters: equal for equal configurations.")
    first_seed: Mapped[int] = mapped_column(server_default=text("0"), doc="Index of its first run's seed.")
    is_survivor: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Further seeds of a configuration that did well, queued by the sweep itself."
    )
    enqueued: Mapped[bool] = mapped_column(server_default=text("false"), doc="Asked for by somebody.")
    continued_from: Mapped[int | None] = mapped_column(doc="Number of the trial whose training it takes on.")
    warm_started_from: Mapped[int | None] = mapped_column(doc="The earlier sweep whose configuration it tries first.")
    idempotency_key: Mapped[str | None] = mapped_column(doc="Of the post that queued it; unique within its sweep.")
    excluded: Mapped[bool] = mapped_column(server_default=text("false"))
    note: Mapped[str] = mapped_column(server_default="", doc="Words of the user's own.")
    model_wanted: Mapped[bool] = mapped_column(server_default=text("false"), doc="Its weights were asked for: kept.")
    retrain_at: Mapped[datetime | None] = mapped_column(
        doc="From when on a worker may train it again for its weights; null where that is not needed."
    )
    attempt: Mapped[int] = mapped_column(server_default=text("0"))
    history: Mapped[list[Any]] = mapped_column(
        server_default=text("'[]'"), doc="Attempts that were lost: worker, started_at, ended_at, reason."
    )
    epochs_done: Mapped[int] = mapped_column(server_default=text("0"), doc="Recorded epochs, summed over its runs.")
    epochs_total: Mapped[int | None]
    epochs_trained: Mapped[int] = mapped_column(
        server_default=text("0"), doc="Epochs of each run in its checkpoint, after which it goes on; 0: it begins anew."
    )
    bracket: Mapped[int | None] = mapped_column(doc="Of hyperband, whose brackets halve at different epochs.")
    rung: Mapped[int | None] = mapped_column(doc="At which it waits until it is promoted, from 0.")
    rung_means: Mapped[list[float]] = mapped_column(
        ARRAY(Float(53)), server_default=text("'{}'"), doc="The mean over its runs at each rung that it has reached."
    )
    circumstances: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True), doc="Of a timing: device, threads, and what else the machine was doing."
    )
    devices: Mapped[list[str]] = mapped_column(
        ARRAY(Text), server_default=text("'{}'"), doc="Names of those that trained it since it last began anew."
    )
    least_memory: Mapped[int | None] = mapped_column(
        doc="Bytes that a worker has to have, noted where one had too little; null where nobody lacked any."
    )
    worker_id: Mapped[UUID | None] = mapped_column(
        doc="The last one that claimed it. No foreign key: all trials would be read for each worker that is forgotten."
    )
    lease_token: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Run(Base):
    """One training of a trial's configuration with one seed, as it ended."""

    __tablename__ = "runs"
    __table_args__ = (
        CheckConstraint("(state = 'diverged') = (value IS NULL)", name="diverged_has_no_value"),
        CheckConstraint("(state = 'diverged') = (error IS NOT NULL)", name="diverged_has_error"),
    )

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True)
    seed: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, doc="Index of the seed, from 0.")
    state: Mapped[RunState] = mapped_column(stored_enum(RunState, "run_state"))
    value: Mapped[float | None]
    error: Mapped[str | None]
    seconds: Mapped[float]
    test_accuracy: Mapped[float | None] = mapped_column(doc="Scored at the end, for the chosen trial alone.")
    weights: Mapped[bytes | None] = mapped_column(
        deferred=True, doc="Parameters, of the best trial and those that are wanted."
    )
    test_r2: Mapped[float | None] = mapped_column(doc="Of a regression, in place of the accuracy.")
    test_mae: Mapped[float | None]
