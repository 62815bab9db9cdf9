"""Trials, their runs and learning curves."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.models import RunState, TrialState


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


class TrialOut(BaseModel):
    """One configuration; `value` is the mean over its runs and null where one diverged."""

    number: int
    state: TrialState
    params: dict[str, Any] | None
    value: float | None
    std: float | None
    runs: list[RunOut]
    metrics: Metrics
    attempt: int
    seconds: float | None
    worker: UUID | None
    error: str | None
    excluded: bool = False


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
