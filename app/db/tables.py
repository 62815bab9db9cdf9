"""The tables; combinations of values that must not be are ruled out by CHECK constraints.

Lock order everywhere: the sweep's row first, then rows of its trials (app.queue.leases).
"""

import enum
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Enum,
    Float,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSTZMULTIRANGE
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from app.domain.datasets import DATASETS, DatasetInfo
from app.domain.objectives import Objective
from app.domain.people.roles import Role
from app.domain.states import RunState, SweepState, TrialState, WorkerState


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads it from the class)
        str: Text,
        int: BigInteger,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        bytes: LargeBinary,
    }


def _enum(kind: type[enum.StrEnum], name: str) -> Enum:
    return Enum(kind, name=name, values_callable=lambda members: [member.value for member in members])


class ExerciseRun(Base):
    """One run of an exercise of the book, whose sweeps point here."""

    __tablename__ = "exercise_runs"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    exercise: Mapped[int] = mapped_column(index=True)
    preset: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StoredDataset(Base):
    """A data set of the users' own; what is in it lies in pieces, and never changes."""

    __tablename__ = "datasets"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    content_hash: Mapped[str] = mapped_column(unique=True, doc="SHA-256 of its pieces, one after the other.")
    size: Mapped[int] = mapped_column(doc="Bytes of its pieces together.")
    facts: Mapped[dict[str, Any]] = mapped_column(doc="The fields of app.domain.datasets.DatasetInfo, but for two.")
    description: Mapped[dict[str, Any]] = mapped_column(
        JSON,
        deferred=True,
        doc="What was made of each column of its file, and how rows become numbers: app.domain.tables.",
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def info(self) -> DatasetInfo:
        """What is known of it, as of one that is built in."""
        return DatasetInfo(name=self.name, content_hash=self.content_hash, **self.facts)


def info_of(name: str, stored_dataset: StoredDataset | None) -> DatasetInfo:
    """What is known of a sweep's data set, which is built in where it is not stored."""
    return DATASETS[name] if stored_dataset is None else stored_dataset.info


class DatasetPiece(Base):
    """A piece of what is stored of a data set: a row is written and read in one go, so it must not be too large."""

    __tablename__ = "dataset_pieces"

    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes]


class Sweep(Base):
    """A search space, a sampler, a budget and a data set, with a lifecycle."""

    __tablename__ = "sweeps"
    __table_args__ = (
        CheckConstraint("seeds >= 1", name="seeds_positive"),
        CheckConstraint("survivor_seeds > seeds", name="survivors_have_more_seeds"),
        CheckConstraint(
            "(state IN ('completed', 'cancelled', 'failed')) = (finished_at IS NOT NULL)", name="ended_has_finished_at"
        ),
        CheckConstraint("(idempotency_key IS NULL) = (request_hash IS NULL)", name="idempotency_key_with_hash"),
        Index("ix_sweeps_claimable", "id", postgresql_where=text("state IN ('queued', 'running')")),
        Index("ix_sweeps_unscored", "id", postgresql_where=text("state = 'completed' AND NOT scored")),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str]
    state: Mapped[SweepState] = mapped_column(_enum(SweepState, "sweep_state"), server_default="queued")
    task: Mapped[str]
    dataset: Mapped[str]
    dataset_id: Mapped[int | None] = mapped_column(
        ForeignKey("datasets.id"), index=True, doc="Of a stored data set, which stays as long as a sweep is on it."
    )
    split: Mapped[str]
    space: Mapped[dict[str, Any]] = mapped_column(JSON, doc="As it was posted; JSON keeps the order, JSONB does not.")
    sampler: Mapped[dict[str, Any]]
    seeds: Mapped[int] = mapped_column(doc="Runs of each trial.")
    survivor_seeds: Mapped[int | None] = mapped_column(doc="Runs of the configurations that survive, all their trials.")
    seed: Mapped[int]
    metric: Mapped[str]
    direction: Mapped[str]
    objectives: Mapped[list[Any]] = mapped_column(
        server_default=text("'[]'"), doc="Further ones beside metric and direction, {metric, direction} each."
    )
    constraints: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"), doc="As they were posted.")
    pruner: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    warm_start: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True), doc="Earlier sweeps whose best configurations are its first trials."
    )
    warm_started: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True), doc="What became of that: schemas.WarmStarted."
    )
    repeats: Mapped[str] = mapped_column(server_default="new_seeds", doc="What a configuration asked twice becomes.")
    best_by: Mapped[str] = mapped_column(server_default="mean")
    stop_rules: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    stop_reason: Mapped[str | None] = mapped_column(doc="Which rule stopped it, in words.")
    environment: Mapped[dict[str, Any]] = mapped_column(
        server_default=text("'{}'"), doc="Versions and devices of what trained it."
    )
    keep_models: Mapped[str] = mapped_column(server_default="best")
    test_scores: Mapped[list[Any]] = mapped_column(
        server_default=text("'[]'"),
        doc="Looks at the test examples: at, number (of the trial), runs, and test_accuracy, or test_r2 and test_mae.",
    )
    ended_seconds: Mapped[float] = mapped_column(
        server_default=text("0"), doc="How long it had ended before it was taken up again, all times together."
    )
    trial_seconds: Mapped[float | None] = mapped_column(
        doc="Seconds that a trial was estimated to take, on all workers together, when the sweep was posted."
    )
    diagnostics: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Whether what its networks do is measured after each epoch."
    )
    notes: Mapped[str] = mapped_column(server_default="")
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    priority: Mapped[int] = mapped_column(server_default=text("0"), doc="A higher one is served first.")
    webhook: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    imported_from: Mapped[int | None] = mapped_column(doc="Its number where it was exported.")
    exercise_run_id: Mapped[int | None] = mapped_column(ForeignKey("exercise_runs.id", ondelete="SET NULL"), index=True)
    exercise_sweep: Mapped[str | None]  # which of the exercise's sweeps it is
    idempotency_key: Mapped[str | None] = mapped_column(unique=True)
    request_hash: Mapped[str | None]
    scored: Mapped[bool] = mapped_column(server_default=text("false"))
    claimed_at: Mapped[datetime | None] = mapped_column(doc="When trials of it were last claimed.")
    earlier_legs: Mapped[Any] = mapped_column(
        TSTZMULTIRANGE, server_default=text("'{}'"), doc="The times of legs that ended before their trials did."
    )
    revision: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    # one more statement for those sweeps alone whose data set is stored
    stored_dataset: Mapped[StoredDataset | None] = relationship(lazy="selectin")

    @property
    def dataset_info(self) -> DatasetInfo:
        """What is known of its data set."""
        return info_of(self.dataset, self.stored_dataset)

    @property
    def first_objective(self) -> Objective:
        """The objective by which the best trial is chosen."""
        return Objective(self.metric, self.direction == "maximize")

    @property
    def all_objectives(self) -> tuple[Objective, ...]:
        """The first objective and the further ones."""
        return (self.first_objective, *map(Objective.of, self.objectives))


class Worker(Base):
    """One trainer process: where it runs and when it was last heard of."""

    __tablename__ = "workers"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    device: Mapped[str]
    threads: Mapped[int]
    memory: Mapped[int] = mapped_column(doc="Bytes of memory of the device.")
    state: Mapped[WorkerState] = mapped_column(_enum(WorkerState, "worker_state"), server_default="idle")
    trials_done: Mapped[int] = mapped_column(server_default=text("0"))
    draining: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="It hands its trials back, and claims none."
    )
    training_rate: Mapped[float] = mapped_column(
        server_default=text("0"),
        doc="Training examples a second, one for each network, between its last two heartbeats.",
    )
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen: Mapped[datetime] = mapped_column(server_default=func.now())


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
            text("(attempt >= 2) DESC"),
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
    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweeps.id", ondelete="CASCADE"))
    number: Mapped[int]
    state: Mapped[TrialState] = mapped_column(_enum(TrialState, "trial_state"), server_default="waiting")
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
    worker_id: Mapped[UUID | None] = mapped_column(ForeignKey("workers.id", ondelete="SET NULL"))
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
    state: Mapped[RunState] = mapped_column(_enum(RunState, "run_state"))
    value: Mapped[float | None]
    error: Mapped[str | None]
    seconds: Mapped[float]
    test_accuracy: Mapped[float | None] = mapped_column(doc="Scored at the end, for the chosen trial alone.")
    weights: Mapped[bytes | None] = mapped_column(
        deferred=True, doc="Parameters, of the best trial and those that are wanted."
    )
    test_r2: Mapped[float | None] = mapped_column(doc="Of a regression, in place of the accuracy.")
    test_mae: Mapped[float | None]


class Epoch(Base):
    """One point of a run's learning curve; null where a figure was not finite, or is of the other kind of target."""

    __tablename__ = "epochs"

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True)
    seed: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    train_loss: Mapped[float | None]
    train_accuracy: Mapped[float | None]
    val_loss: Mapped[float | None]
    val_accuracy: Mapped[float | None]
    seconds: Mapped[float]
    train_r2: Mapped[float | None]
    train_mae: Mapped[float | None]
    val_r2: Mapped[float | None]
    val_mae: Mapped[float | None]


class Diagnostics(Base):
    """What a run's network does with a fixed sample after an epoch; null where a figure was not finite.

    What each column means is said in app.domain.diagnostics.
    """

    __tablename__ = "diagnostics"

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True)
    seed: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, doc="0 is before the first step.")
    dead_share: Mapped[list[float]] = mapped_column(ARRAY(Float(53)), doc="By hidden layer.")
    activation_rms: Mapped[list[float | None]] = mapped_column(ARRAY(Float(53)), doc="By layer.")
    gradient_rms: Mapped[list[float | None]] = mapped_column(ARRAY(Float(53)), doc="By layer.")
    predicted_classes: Mapped[int | None]
    top_class_share: Mapped[float | None]
    distinct_outputs: Mapped[int]
    bottleneck: Mapped[list[list[float | None]] | None] = mapped_column(
        ARRAY(Float(53), dimensions=2), doc="Quantiles by class."
    )


class Checkpoint(Base):
    """What the training of a trial goes on from: until the trial has ended, or to be trained longer."""

    __tablename__ = "checkpoints"

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True)
    epochs_done: Mapped[int] = mapped_column(doc="Recorded epochs, summed over the trial's runs.")
    data: Mapped[bytes] = mapped_column(doc="Safetensors, which only workers read: worker.legs.checkpoint.")
    is_final: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Of a complete trial, after its last epoch."
    )


class WebhookDelivery(Base):
    """A change of a sweep's state that its webhook is to be told; made by a trigger in the change's own transaction.

    It waits while `next_attempt_at` is set, is delivered with `delivered_at`, and was given up with neither.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("delivered_at IS NULL OR next_attempt_at IS NULL", name="delivered_is_done"),
        Index("ix_webhook_deliveries_due", "next_attempt_at", postgresql_where=text("next_attempt_at IS NOT NULL")),
        Index("ix_webhook_deliveries_sweep_id_id", "sweep_id", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    delivery: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"), doc="The same in each attempt.")
    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweeps.id", ondelete="CASCADE"))
    state: Mapped[SweepState] = mapped_column(_enum(SweepState, "sweep_state"), doc="What the sweep became.")
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    body: Mapped[str | None] = mapped_column(doc="What is sent, written with the first attempt.")
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[datetime | None] = mapped_column(server_default=func.clock_timestamp())
    delivered_at: Mapped[datetime | None]
    status: Mapped[int | None] = mapped_column(doc="The last answer's.")
    error: Mapped[str | None] = mapped_column(doc="Why the last attempt failed.")


class Key(Base):
    """A key to the server: only its hash is here. A row is never removed: once there is one, the server needs keys."""

    __tablename__ = "keys"
    __table_args__ = (Index("ix_keys_name", "name", unique=True, postgresql_where=text("revoked_at IS NULL")),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str]
    role: Mapped[Role] = mapped_column(_enum(Role, "key_role"))
    prefix: Mapped[str] = mapped_column(doc="The key's first characters, to tell it from others.")
    digest: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_by: Mapped[str | None]
    last_used_at: Mapped[datetime | None] = mapped_column(doc="To the minute.")
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    @property
    def state(self) -> str:
        """`valid`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= datetime.now(UTC) else "valid"


class LoginSession(Base):
    """A browser that has logged in, with a key of the table or with that of the server's environment."""

    __tablename__ = "login_sessions"
    __table_args__ = (CheckConstraint("(key_id IS NULL) = (key_proof IS NOT NULL)", name="begun_with_a_key"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    key_id: Mapped[int | None] = mapped_column(ForeignKey("keys.id", ondelete="CASCADE"), index=True)
    key_proof: Mapped[bytes | None] = mapped_column(doc="Of the environment's key: void when that is another.")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]


class LogEntry(Base):
    """What somebody did to a sweep, or what befell it; written in the transaction of the change itself."""

    __tablename__ = "sweep_log"
    __table_args__ = (Index("ix_sweep_log_sweep_id_id", "sweep_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweeps.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    by: Mapped[str | None] = mapped_column(doc="Name of the key; null where none was needed, or nobody called.")
    event: Mapped[str] = mapped_column(doc="A word of app.domain.people.log_events.")
    trials: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=text("'{}'"), doc="Their numbers.")
    text: Mapped[str] = mapped_column(doc="What happened, in words.")


class Share(Base):
    """A link that shows one sweep, or one run of an exercise, to whoever has it; the row goes when it is ended."""

    __tablename__ = "shares"
    __table_args__ = (CheckConstraint("(sweep_id IS NULL) <> (exercise_run_id IS NULL)", name="shows_one_thing"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    sweep_id: Mapped[int | None] = mapped_column(ForeignKey("sweeps.id", ondelete="CASCADE"), index=True)
    exercise_run_id: Mapped[int | None] = mapped_column(ForeignKey("exercise_runs.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_by: Mapped[str | None]
    expires_at: Mapped[datetime]


class Counter(Base):
    """A number of events since the database was made, which no row tells any more."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int]
