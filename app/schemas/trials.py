"""Trials, their runs and learning curves."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.domain.body import Body
from app.domain.configuration import MAX_DEPTH
from app.domain.diagnostics import QUANTILES
from app.domain.states import RunState, TrialState
from app.domain.sweep_limits import MAX_FLOAT, MAX_TRIAL_NOTE_LENGTH
from app.schemas.base import UtcTime

MAX_FACT_LENGTH = 500  # characters


class TrialCreate(Body):
    """A configuration of the user's own."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"params": {"hidden_units": 64, "learning_rate": 0.1}}]})

    params: dict[str, Any] = Field(
        description="A value, within its space, for each hyperparameter that the sweep varies; constants are filled in."
    )


class TrialPatch(Body):
    """What can be changed of a trial."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "Diverges from epoch 20 on with other seeds."}]})

    note: Annotated[str, Field(max_length=MAX_TRIAL_NOTE_LENGTH)] = Field(
        description="Words of your own about it, as plain text; an empty text removes them."
    )


class Metrics(BaseModel):
    """Means over the runs after their last epoch; accuracies are those of classes, R² and errors those of numbers."""

    train_loss: float | None = None
    train_accuracy: float | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None
    train_r2: float | None = None
    train_mae: float | None = None
    val_r2: float | None = None
    val_mae: float | None = None


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


Fact = Annotated[str, Field(max_length=MAX_FACT_LENGTH)]
Size = Annotated[int, Field(ge=0, le=2**60)]
Loads = Annotated[list[Annotated[float, Field(ge=0, le=1e6)]], Field(min_length=3, max_length=3)]


class MemoryModule(Body):
    """A module of memory, as the board's tables describe it."""

    width_bits: Size
    megatransfers_per_second: Size


class Circumstances(Body):
    """What a timing was measured under; null for what could not be read there."""

    host: Fact
    device: Fact = Field(description="The GPU's model, or `cpu`.")
    processor: Fact
    threads: Size | None = Field(description="Of the processor; null on a GPU.")
    alone: bool = Field(description="Whether no other worker of the machine trained meanwhile.")
    load_before: Loads | None = Field(description="The machine's load averages over 1, 5 and 15 minutes.")
    load_after: Loads | None
    processor_share: Annotated[float, Field(ge=0, le=1e6)] | None = Field(
        None,
        description="Time that the processor worked for the repeats, over their time and threads: near 1 undisturbed.",
    )
    others_share: Annotated[float, Field(ge=0, le=1e6)] | None = Field(
        None,
        description="Share of all the machine's processors in which others worked meanwhile: near 0 undisturbed.",
    )
    cache_bytes: Size | None = Field(description="Of the last cache before the memory.")
    memory_bus_bits: Size | None = Field(description="Of a GPU, as its driver says; null where it does not.")
    memory_modules: Annotated[list[MemoryModule], Field(max_length=256)] | None = Field(
        description="Of a processor's memory, where the board's tables can be read."
    )
    array_bytes: Size | None = Field(None, description="Of each array, where memory was timed.")


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
    circumstances: Circumstances | None = Field(description="What a timing was measured under; null for a training.")
    worker: UUID | None
    devices: list[str] = Field(
        description="Those on which its runs were trained since it last began anew: the GPU's model, or `cpu`; several "
        "where it went from one to another between two legs. Trials of earlier versions have none."
    )
    least_memory: int | None = Field(
        description="Bytes that a worker has to have, noted where one had too little for it: it is left to those that "
        "have as much, and fails with its size where none does. Null where nobody lacked any."
    )
    error: str | None = Field(description="Why it failed.")
    reason: str | None = Field(description="Why it was pruned, is infeasible, or took another trial's result.")
    configuration: str | None = Field(description="The same for all trials of one configuration.")
    first_seed: int = Field(
        description="Index of its first run's seed; above 0 where its configuration was trained before."
    )
    is_survivor: bool = Field(
        description="Queued by the sweep itself: further seeds for a configuration among the best third."
    )
    enqueued: bool = Field(description="Asked for by somebody, and trained ahead of the sampler's.")
    epochs_trained: int = Field(
        description="Epochs of its runs in the checkpoint that it goes on from; 0: it begins, or began, anew."
    )
    continued_from: int | None = Field(
        description="Number of the trial whose training it takes on to more epochs, with the same seeds."
    )
    warm_started_from: int | None = Field(description="The earlier sweep whose configuration it tries first.")
    excluded: bool = Field(description="Left out of the best, of what the sampler learns from and of the charts.")
    note: str = Field(description="Words of the user's own about it.")


class EpochOut(BaseModel):
    """One point of a learning curve; null where a figure was not finite, or is of the other kind of target."""

    model_config = ConfigDict(from_attributes=True)

    run: int = Field(validation_alias="seed", description="Index of the run's seed.")
    epoch: int
    train_loss: float | None
    train_accuracy: float | None
    val_loss: float | None
    val_accuracy: float | None
    train_r2: float | None
    train_mae: float | None
    val_r2: float | None
    val_mae: float | None
    seconds: float


Share = Annotated[float, Field(ge=0, le=1)]
Magnitude = Annotated[float, Field(ge=0, le=MAX_FLOAT, allow_inf_nan=False)]
Quantiles = Annotated[
    list[Annotated[float, Field(ge=-MAX_FLOAT, le=MAX_FLOAT, allow_inf_nan=False)] | None],
    Field(min_length=len(QUANTILES), max_length=len(QUANTILES)),
]


class DiagnosticsOut(BaseModel):
    """What a run's network did, after an epoch, with a fixed sample: 1,000 held-out examples, 256 to train on.

    It is measured as it is validated: nothing is dropped, and batch normalization goes by its running statistics, which
    are 0 and 1 before the first step. A figure that was not finite is null.
    """

    model_config = ConfigDict(from_attributes=True)

    run: int = Field(validation_alias="seed", ge=0, lt=2**31, description="Index of the run's seed.")
    epoch: int = Field(ge=0, lt=2**31, description="0 is before the first step.")
    dead_share: list[Share] = Field(
        description="Of each hidden layer: the share of units that are dead. Such a unit's output varies by less than "
        "0.01 over the sample and its activation's slope is below 0.001 for every example: of ReLU it is 0 for each."
    )
    activation_rms: list[Magnitude | None] = Field(
        description="Of each hidden layer, then of the logits: root mean square of its outputs over the held-out ones."
    )
    gradient_rms: list[Magnitude | None] = Field(
        description="Of each layer, the output's last: root mean square of the gradient by its weights of the loss "
        "(mean over the 256 examples, without weight decay)."
    )
    predicted_classes: Annotated[int, Field(ge=0, lt=2**31)] | None = Field(
        description="Classes that it predicts for at least one example; null where targets are numbers."
    )
    top_class_share: Share | None = Field(
        description="Share of the examples that it gives its most frequent class; null where targets are numbers."
    )
    distinct_outputs: int = Field(
        ge=0,
        lt=2**31,
        description="Different answers over the examples: class probabilities, or standardized numbers, to three "
        "decimals.",
    )
    bottleneck: list[Quantiles] | None = Field(
        description="Of the first hidden layer with one unit, by class, or of numbers of all alike: the quantiles "
        "0.05, 0.25, 0.5, 0.75 and 0.95 of what that unit has before its activation; nulls for a class that the sample "
        "lacks. Null without such a layer."
    )

    @model_validator(mode="after")
    def _check_layers(self) -> Self:
        if not len(self.activation_rms) == len(self.gradient_rms) == len(self.dead_share) + 1:
            raise ValueError("activation_rms and gradient_rms must have one number more than dead_share")
        if len(self.dead_share) > MAX_DEPTH:
            raise ValueError(f"dead_share must have at most {MAX_DEPTH} numbers, one for each hidden layer")
        return self
