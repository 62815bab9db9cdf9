"""Request and response bodies. Accuracies are fractions in [0, 1], durations seconds, times ISO 8601 in UTC."""

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict

from app.models import RunState, SweepState, TrialState, WorkerState

Task = Literal["train_mlp"]
Dataset = Literal["fashion_mnist", "digits"]
Split = Literal["holdout", "book"]
Metric = Literal["val_accuracy", "val_loss", "train_accuracy", "train_loss"]
Direction = Literal["maximize", "minimize"]
UtcTime = Annotated[datetime, AfterValidator(lambda time: time.astimezone(UTC))]
Item = TypeVar("Item")


class Body(BaseModel):
    """Takes what its fields say and nothing else: `"1"` is no number, and an unknown field is a mistake."""

    model_config = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True)


class Objective(Body):
    """What a trial's value is: the metric after its last epoch, averaged over its seeds."""

    metric: Metric = "val_accuracy"
    direction: Direction = "maximize"


class GridSampler(Body):
    """Every cell of the space, once."""

    name: Literal["grid"]


class RandomSampler(Body):
    """Independent draws from the space."""

    name: Literal["random"]


class TPESampler(Body):
    """Tree-structured Parzen estimator: draws more where trials did well. Options as in Optuna."""

    name: Literal["tpe"]
    n_startup_trials: int = Field(10, ge=0, le=1000, description="Random trials before the model is used.")
    n_ei_candidates: int = Field(24, ge=1, le=1000, description="Candidates a draw is chosen from.")


SamplerName = Literal["grid", "random", "tpe"]
SamplerOptions = Annotated[GridSampler | RandomSampler | TPESampler, Field(discriminator="name")]


def _with_options(given: object) -> object:
    """A sampler's bare name means its default options."""
    return {"name": given} if isinstance(given, str) else given


Sampler = Annotated[SamplerOptions, BeforeValidator(_with_options, json_schema_input_type=SamplerName | SamplerOptions)]

_EXAMPLE: JsonDict = {
    "name": "width",
    "dataset": "fashion_mnist",
    "space": {"hidden_units": [8, 64, 256], "learning_rate": {"low": 0.001, "high": 1.0, "log": True}, "epochs": 10},
    "sampler": "tpe",
    "n_trials": 64,
    "seeds": 3,
}


class SweepCreate(Body):
    """What to try, on which data, how often."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: str = Field(min_length=1, max_length=200, description="Shown in lists and above charts.")
    task: Task = Field("train_mlp", description="What a trial measures.")
    dataset: Dataset = Field("fashion_mnist", description="One of `GET /api/v1/datasets`.")
    space: dict[str, Any] = Field(
        description="A constant, a list of choices, or {low, high, step?, log?} for each hyperparameter that "
        "shall differ from the book's value."
    )
    sampler: Sampler = Field(
        default_factory=lambda: RandomSampler(name="random"), description="How configurations are chosen."
    )
    pruner: None = Field(None, description="Stops poor trials early; none yet.")
    n_trials: int | None = Field(
        None, ge=1, le=100_000, description="Configurations to try; a grid has its own number."
    )
    seeds: int = Field(1, ge=1, le=100, description="Runs a trial, each with a seed of its own.")
    seed: int = Field(0, ge=0, lt=2**32, description="What all seeds of this sweep derive from.")
    split: Split = Field(
        "holdout",
        description="`holdout` validates on examples held out of the training set and scores the test images for "
        "the chosen trial at the end; `book` validates on the test images.",
    )
    objective: Objective = Field(default_factory=Objective, description="What is optimised.")


class Counts(BaseModel):
    """Trials by state."""

    waiting: int = 0
    running: int = 0
    complete: int = 0
    pruned: int = 0
    failed: int = 0
    cancelled: int = 0


class EpochCounts(BaseModel):
    """Epochs recorded, summed over all runs; `total` is null while the sampler has parameters to choose."""

    done: int
    total: int | None


class Best(BaseModel):
    """The trial with the best mean; `std` is the sample standard deviation over its seeds."""

    number: int
    value: float
    std: float | None
    params: dict[str, Any]
    test_accuracy: float | None = Field(description="Mean over its runs, scored once at the end; null for `book`.")


class SweepOut(BaseModel):
    """A sweep as it stands."""

    id: int
    name: str
    state: SweepState
    counts: Counts
    epochs: EpochCounts
    progress: float = Field(description="Share of the work that is done, in [0, 1].")
    eta_seconds: float | None
    best: Best | None
    task: str
    dataset: str
    split: str
    space: dict[str, Any]
    sampler: str | dict[str, Any]
    pruner: None
    n_trials: int
    seeds: int
    seed: int
    objective: Objective
    created_at: UtcTime
    started_at: UtcTime | None
    finished_at: UtcTime | None
    revision: int


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


class WorkerOut(BaseModel):
    """One trainer process; `alive` until it has been silent for a while."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    host: str
    pid: int
    device: str
    threads: int
    memory: int = Field(description="Bytes.")
    state: WorkerState
    alive: bool
    trials: int = Field(description="Trials that it finished.")
    started_at: UtcTime
    last_seen: UtcTime


class DatasetOut(BaseModel):
    """A data set that sweeps can name."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    title: str
    features: int
    classes: int
    train: int
    test: int
    held_out: int
    source: str


class ChartOut(BaseModel):
    """A chart of a sweep and where it is."""

    name: str
    url: str


class ExerciseOut(BaseModel):
    """An exercise of the book, in our words."""

    number: int
    title: str
    question: str
    parts: list[str]
    source: str
    charts: list[ChartOut]


class AnswerOut(BaseModel):
    """What the data says: words with paragraphs divided by empty lines, a table, and the numbers in the words."""

    text: str
    header: list[str]
    rows: list[list[str]]
    figures: dict[str, float | int | None]
    final: bool = Field(description="False while trials are still to come.")


class ExerciseRunCreate(Body):
    """How thoroughly the exercise is to be answered."""

    preset: Literal["quick", "full"] = Field("quick", description="`full` has the book's widths and epochs.")


class ExerciseRunOut(BaseModel):
    """A run of an exercise as it stands."""

    id: int
    preset: str
    state: str
    progress: float
    sweeps: list[SweepOut]
    answer: AnswerOut


class ExerciseWithRun(ExerciseOut):
    """An exercise with its latest run."""

    latest_run: ExerciseRunOut | None


class Page(BaseModel, Generic[Item]):
    """One page of a list; `next` is the cursor to pass as `after`, null on the last page."""

    items: list[Item]
    next: str | None = None


class Problem(BaseModel):
    """An error, as application/problem+json (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None
