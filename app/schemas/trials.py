"""Trials, their runs and learning curves."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.domain.body import Body
from app.domain.states import RunState, TrialState
from app.schemas.base import UtcTime


class TrialCreate(Body):
    """A configuration of the user's own."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"params": {"hidden_units": 64, "learning_rate": 0.1}}]})

    params: dict[str, Any] = Field(
        description="A value, within its space, for each hyperparameter that the sweep varies; constants are filled in."
    )


class Metrics(BaseModel):
    """Means over the runs after their last epoch."""

    train_loss: float | None = None
    train_accuracy: float | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None


class RunOut(BaseModel):
    """One training with one seed."""

    model_config = ConfigDict(from_attributes=True)

    seed: int
    state: RunState
    value: float | None
    error: str | None
    seconds: float


class AttemptOut(BaseModel):
    """An attempt that came to nothing."""

    worker: UUID | None
    started_at: UtcTime | None
    ended_at: UtcTime | None
    reason: str = Field(description="Its worker was lost, its training raised an error, or it was tried again.")


class TrialOut(BaseModel):
    """One configuration; `value` is the mean over its runs and null where one diverged."""

    number: int
    state: TrialState
    params: dict[str, Any] | None
    value: float | None
    std: float | None
    values: list[float] | None = Field(description="One for each of the sweep's objectives, the first being `value`.")
    runs: list[RunOut]
    metrics: Metrics
    attempt: int = Field(description="Which attempt runs or ended; a third one that is lost fails the trial.")
    history: list[AttemptOut] = Field(description="Attempts before, which came to nothing.")
    seconds: float | None = Field(
        description="Its own share of the time that it was trained in, together with other trials: that of its runs."
    )
    rung: int | None = Field(description="At which it waits until it is among the best that have reached it, from 0.")
    rung_means: list[float] = Field(description="Its mean over the runs at each rung of a halving pruner so far.")
    worker: UUID | None
    error: str | None = Field(description="Why it failed.")
    reason: str | None = Field(description="Why it was pruned, is infeasible, or took another trial's result.")
    configuration: str | None = Field(description="The same for all trials of one configuration.")
    first_seed: int = Field(
        description="Index of its first run's seed; above 0 where its configuration was trained before."
    )
    enqueued: bool = Field(description="The user's own, ahead of the sampler's.")
    excluded: bool = Field(description="Left out of the best, of what the sampler learns from and of the charts.")


class EpochOut(BaseModel):
    """One point of a learning curve; null where a figure was not finite."""

    model_config = ConfigDict(from_attributes=True)

    run: int = Field(validation_alias="seed", description="Index of the run's seed.")
    epoch: int
    train_loss: float | None
    train_accuracy: float | None
    val_loss: float | None
    val_accuracy: float | None
    seconds: float
