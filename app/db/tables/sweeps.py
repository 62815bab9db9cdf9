"""Sweeps, the log of each, and the runs of exercises that sweeps belong to."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Identity, Index, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSTZMULTIRANGE
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db.tables.base import Base, stored_enum
from app.db.tables.datasets import StoredDataset, info_of
from app.domain.datasets import DatasetInfo
from app.domain.devices.products import EXACT, Products
from app.domain.objectives import Objective
from app.domain.states import SweepState


class ExerciseRun(Base):
    """One run of an exercise of the book, whose sweeps point here."""

    __tablename__ = "exercise_runs"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    exercise: Mapped[int] = mapped_column(index=True)
    preset: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


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
    state: Mapped[SweepState] = mapped_column(stored_enum(SweepState, "sweep_state"), server_default="queued")
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
    device: Mapped[str | None] = mapped_column(doc="The kind of device that its workers must have; null for any.")
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

    @property
    def products(self) -> Products:
        """Those of the worker that began it, and so of all others."""
        products: Products = self.environment.get("products", EXACT)
        return products


class DeletedSweep(Base):
    """A sweep that is gone, but for trials of it which are still to be removed: app.sweeps.deletion."""

    __tablename__ = "deleted_sweeps"

    sweep_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    deleted_at: Mapped[datetime] = mapped_column(server_default=func.now())


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
