"""Sweeps: the body that makes one, and how one stands."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from app.domain.body import Body, Matching
from app.domain.datasets import MAX_NAME_LENGTH as MAX_DATASET_NAME
from app.domain.datasets import Split
from app.domain.devices.kinds import DeviceKind
from app.domain.pruning.options import Pruner
from app.domain.states import SweepState
from app.domain.sweep_limits import (
    MAX_CONSTRAINT_LENGTH,
    MAX_CONSTRAINTS,
    MAX_FLOAT,
    MAX_NAME_LENGTH,
    MAX_NOTES_LENGTH,
    MAX_OBJECTIVES,
    MAX_PRIORITY,
    MAX_TAG_LENGTH,
    MAX_TAGS,
    MAX_TRIALS,
    SEED_LIMIT,
)
from app.domain.tasks import TaskName
from app.schemas.base import UtcTime
from app.schemas.settings.samplers import RandomSampler, Sampler
from app.schemas.settings.seeds import Seeds, SurvivorSeeds
from app.schemas.settings.space import SpaceBody
from app.schemas.settings.stop import StopRules
from app.schemas.settings.warm_starts import WarmStart, WarmStarted
from app.schemas.settings.webhooks import Webhook, WebhookOut

EpochMetric = Literal[
    "val_accuracy", "val_r2", "val_loss", "val_mae", "train_accuracy", "train_r2", "train_loss", "train_mae"
]
TimingMetric = Literal["seconds_per_epoch", "examples_per_second", "gflops", "seconds", "gigabytes_per_second"]
Direction = Literal["maximize", "minimize"]
KeepModels = Literal["best", "all"]
Tag = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_TAG_LENGTH), Matching(r"[^\x00,]+", "a word without commas")
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_LENGTH)]
Notes = Annotated[str, Field(max_length=MAX_NOTES_LENGTH, description="Words of your own, in Markdown.")]
Priority = Annotated[
    int,
    Field(
        ge=-MAX_PRIORITY, le=MAX_PRIORITY, description="Waiting trials of a sweep with a higher one are trained first."
    ),
]


def _refuse_gpu(device: object) -> object:
    """Raises ValueError for a word that is near `cpu` and means the opposite."""
    if device == "gpu":
        raise ValueError("must be cuda for NVIDIA GPUs, or mps for Apple's, not gpu")
    return device


Device = Annotated[
    DeviceKind | None,
    BeforeValidator(_refuse_gpu),
    Field(
        description="The kind of device that its workers must have, `cuda` for NVIDIA GPUs; null for any. While no "
        "such worker is connected, nothing of it starts, and `warnings` says so."
    ),
]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS), AfterValidator(lambda tags: sorted(set(tags)))]


class Objective(Body):
    """What a trial's value is: the metric after its last epoch, or of a timing, averaged over its seeds or repeats.

    Accuracies are those of data sets with classes; R² (`val_r2`) and mean absolute errors (`val_mae`, in the target's
    own units) those of data sets whose target is a number. The loss is the cross-entropy, or of numbers the mean
    squared error of the standardized target. What is left out is `val_accuracy`, `val_r2` where the target is a number,
    or in a sweep that times the task's first metric, each in the direction in which it is better.
    """

    metric: Literal[EpochMetric, TimingMetric] = "val_accuracy"
    direction: Direction = "maximize"


class OneObjective(Body):
    """One of several objectives. `parameters` counts weights and biases; `seconds` are those of a training."""

    metric: Literal[EpochMetric, "parameters", "seconds"]
    direction: Direction


Objectives = Annotated[list[OneObjective], Field(min_length=2, max_length=MAX_OBJECTIVES)]
Constraint = Annotated[
    str, StringConstraints(max_length=MAX_CONSTRAINT_LENGTH), Matching(r"[^\x00]*", "a text without null characters")
]
Repeats = Literal["reuse", "new_seeds", "forbid"]
BestBy = Literal["expected", "mean", "lower_bound"]
EtaBy = Literal["work", "seconds", "no_improvement"]

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

    name: Name = Field(description="Shown in lists and above charts.")
    task: TaskName = Field(
        "train_mlp",
        description="What a trial measures: a trained network, or the time of an epoch by implementation, of matrix "
        "products, or of memory. What times has hyperparameters and metrics of its own, and its runs are repeats.",
    )
    dataset: str = Field("fashion_mnist", max_length=MAX_DATASET_NAME, description="One of `GET /api/v1/datasets`.")
    space: SpaceBody = Field(
        description="A constant, a list of choices, or {low, high, step?, log?} for each hyperparameter that "
        "shall differ from the book's value. A range holds reals, also between whole bounds, but where the "
        "hyperparameter is whole or low, high and step are."
    )
    constraints: list[Constraint] = Field(
        default_factory=list,
        max_length=MAX_CONSTRAINTS,
        description="What a configuration has to satisfy, e.g. `parameters <= 500000` or `hidden_units_1 >= "
        "hidden_units_2`: names of hyperparameters, `parameters`, numbers, + - * / ( ) and one comparison.",
    )
    sampler: Sampler = Field(
        default_factory=lambda: RandomSampler(name="random"), description="How configurations are chosen."
    )
    pruner: Pruner | None = Field(None, description="What stops poor trials early; null trains every trial to its end.")
    n_trials: int | None = Field(
        None, ge=1, le=MAX_TRIALS, description="Configurations to try; a grid has its own number."
    )
    warm_start: WarmStart | None = Field(
        None,
        description="Earlier sweeps whose best configurations are the first trials, where they lie within the space: a "
        "list of numbers, or {sweeps, trials}. They count towards `n_trials`.",
    )
    seeds: Seeds = Field(
        1,
        description="Runs of each configuration, each with a seed of its own (repeats, where it times); "
        "{first, survivors} trains those among the best third more often.",
    )
    repeats: Repeats = Field(
        "new_seeds",
        description="What a configuration becomes that the sweep has tried before: `reuse` takes over the earlier "
        "result, `new_seeds` trains it with further seeds, `forbid` asks for another one.",
    )
    seed: int = Field(0, ge=0, lt=SEED_LIMIT, description="What all seeds of this sweep derive from.")
    split: Split = Field(
        "holdout",
        description="`holdout` validates on examples held out of the training set and scores the test examples "
        "for the chosen trial at the end; `book` validates on the test examples.",
    )
    objective: Objective = Field(default_factory=Objective, description="What is optimised.")
    objectives: Objectives | None = Field(
        None, description="Several instead of `objective`; `best`, rules and charts of one value go by the first."
    )
    best_by: BestBy = Field(
        "expected",
        description="How the best is chosen: by what a configuration is expected to have with more runs, its mean "
        "moved towards that of all configurations as far as it is luck; by the mean over all its runs; or by the mean "
        "less 1.645 standard errors (more where the direction is minimize).",
    )
    stop: StopRules | None = Field(None, description="When it stops before all trials are done.")
    diagnostics: bool = Field(
        False,
        description="Whether it is measured after each epoch, and before the first step, what each network does: dead "
        "units, sizes of activations and gradients by layer, classes predicted. It changes no result.",
    )
    keep_models: KeepModels = Field(
        "best", description="Whose weights are kept: those of the best trial, or of all complete ones."
    )
    notes: Notes = ""
    tags: Tags = Field(default_factory=list, description="Words to find it by; they are kept sorted.")
    priority: Priority = 0
    device: Device = None
    webhook: Webhook | None = Field(None, description="Told of every change of the sweep's state.")

    @property
    def first_seeds(self) -> int:
        """Runs of every trial."""
        return self.seeds.first if isinstance(self.seeds, SurvivorSeeds) else self.seeds

    @property
    def survivor_seeds(self) -> int | None:
        """Runs of the configurations that survive; None where all have the same."""
        return self.seeds.survivors if isinstance(self.seeds, SurvivorSeeds) else None


class Counts(BaseModel):
    """Trials by state."""

    waiting: int = 0
    running: int = 0
    complete: int = 0
    pruned: int = 0
    failed: int = 0
    cancelled: int = 0
    infeasible: int = Field(0, description="Configurations that broke a constraint; they cost no budget.")


class EpochCounts(BaseModel):
    """Epochs recorded, summed over all runs; `total` is null while the sampler has parameters to choose."""

    done: int
    total: int | None


class ScoreOut(BaseModel):
    """A look at the test examples: what the best configuration of that time scored on them."""

    at: UtcTime | None = Field(description="Null where it is not known.")
    number: int = Field(ge=0, description="The trial's.")
    runs: int = Field(ge=1, description="Its runs, each scored by itself.")
    test_accuracy: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="Mean over them; null where the target is a number."
    )
    test_r2: Annotated[float, Field(ge=-MAX_FLOAT, le=1)] | None = Field(None, description="The same, of a number.")
    test_mae: Annotated[float, Field(ge=0, le=MAX_FLOAT)] | None = Field(None, description="In the target's own units.")


class Best(BaseModel):
    """The best configuration by its first trial: mean and sample standard deviation over all its runs."""

    number: int
    value: float
    expected: float | None = Field(
        description="What more runs are expected to have: the mean, moved towards that of all configurations as far as "
        "it is luck. Null where no configuration of the sweep ran more than once."
    )
    std: float | None
    runs: int = Field(description="Runs of the configuration, over all its trials.")
    bound: float | None = Field(description="The mean less 1.645 standard errors (more to minimize); null for one run.")
    params: dict[str, Any]
    test_accuracy: float | None = Field(description="Mean over the first trial's runs; null before it is scored.")
    test_r2: float | None = Field(description="The same where the target is a number, which has no accuracy.")
    test_mae: float | None = Field(description="Mean absolute error on the test examples, in the target's own units.")
    test_looks: int = Field(
        description="How often the sweep has looked at the test examples. After the first look what is chosen may "
        "depend on them, and the score is a little too good."
    )
    model: str | None = Field(description="Where its trained model is to be had; null while there is none.")

    @property
    def test_value(self) -> float | None:
        """What it scored on the test examples: its accuracy, or the R² of a number."""
        return self.test_r2 if self.test_accuracy is None else self.test_accuracy


class SweepOut(BaseModel):
    """A sweep as it stands."""

    id: int
    name: str
    state: SweepState
    counts: Counts
    epochs: EpochCounts
    progress: float = Field(description="Share of the work that is done, in [0, 1].")
    eta_seconds: float | None = Field(
        description="Seconds until it ends, the least of what `eta_by` names; more where other sweeps share the "
        "workers. Null while nothing is known."
    )
    eta_by: EtaBy | None = Field(
        description="`work`: all trials are done, by the training so far (pauses left out) and, at first, by what was "
        "estimated when it was posted. `seconds`: its time limit. `no_improvement`: that rule, if no trial is better."
    )
    took_seconds: float | None = Field(
        description="From its first trial's start to its end, pauses included, but not the time in which it had ended "
        "before it was taken up again. Null while it goes on."
    )
    best: Best | None
    test_looks: int = Field(description="Looks at the test examples; those of the split `book` are none.")
    test_scores: list[ScoreOut] = Field(description="What was seen, look by look.")
    task: str
    dataset: str
    split: str
    space: SpaceBody
    constraints: list[str]
    sampler: str | dict[str, Any]
    pruner: str | dict[str, Any] | None
    n_trials: int = Field(description="Trials, without infeasible ones and those for survivors.")
    survivor_trials: int = Field(description="Trials that the sweep has added to train survivors with further seeds.")
    warm_start: list[int] | dict[str, Any] | None
    warm_started: WarmStarted | None = Field(description="What became of `warm_start`, when the sweep was posted.")
    seeds: int | SurvivorSeeds
    repeats: str
    seed: int
    objective: Objective
    objectives: list[OneObjective] | None
    pareto: list[int] | None = Field(description="Numbers of the trials that no other beats in every objective.")
    best_by: str
    stop: StopRules | None
    stop_reason: str | None = Field(description="Which rule has stopped it, in words.")
    diagnostics: bool = Field(description="Whether its networks are measured after each epoch.")
    keep_models: str
    notes: str
    tags: list[str]
    priority: int
    device: str | None
    warnings: list[str] = Field(description="What keeps it from going on, and what to do; a sentence each.")
    webhook: WebhookOut | None
    imported_from: int | None = Field(description="The sweep's number where it was exported.")
    environment: dict[str, Any] = Field(description="Versions and devices of the workers that trained it.")
    created_at: UtcTime
    started_at: UtcTime | None
    finished_at: UtcTime | None
    revision: int

    @property
    def first_seeds(self) -> int:
        """Runs of every trial."""
        return self.seeds.first if isinstance(self.seeds, SurvivorSeeds) else self.seeds
