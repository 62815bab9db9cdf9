"""The pruners that a sweep can choose, with their options. An epoch is Optuna's step, counted from 1."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, TypeAdapter, WithJsonSchema, model_validator

from app.domain.body import Body, with_options
from app.domain.sweep_limits import MAX_TRIALS

_Finite = Annotated[float, Field(allow_inf_nan=False)]
MAX_RESOURCE = 1_000_000  # epochs

_Warmup = Annotated[int, Field(ge=0, le=1_000_000, description="The first epoch in which a trial may be pruned.")]
_Interval = Annotated[int, Field(ge=1, le=1_000_000, description="Epochs between two looks, from the warm-up on.")]
_Startup = Annotated[int, Field(ge=0, le=MAX_TRIALS, description="Complete trials before any is pruned.")]
_MinTrials = Annotated[int, Field(ge=1, le=MAX_TRIALS, description="Complete trials that must have reached the epoch.")]
_Bootstrap = Annotated[int, Field(ge=0, le=MAX_TRIALS, description="Trials that must reach a rung before one goes on.")]

_Mode = Annotated[
    Literal["promotion", "stopping"],
    Field(
        description="promotion: a trial waits at each rung until it is among the best that have reached it. stopping: "
        "it is judged at once by those that were there before, as in Optuna; so it is inside `patient`, too."
    ),
]


def _epochs_or_auto(value: object) -> object:
    # before the field's own check, which would tell each part of the union by itself
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_RESOURCE):
        return value
    raise ValueError(
        f"must be auto, or a whole number from 1 to {MAX_RESOURCE:,}, not {json.dumps(value, default=str)}"
    )


_EpochsOrAuto = Annotated[
    int | Literal["auto"],
    BeforeValidator(_epochs_or_auto),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MAX_RESOURCE}, {"type": "string", "const": "auto"}]}
    ),
]


class MedianPruner(Body):
    """Prunes a trial whose best mean so far is worse than the median of the complete trials at the same epoch."""

    name: Literal["median"]
    n_startup_trials: _Startup = 5
    n_warmup_steps: _Warmup = 0
    interval_steps: _Interval = 1
    n_min_trials: _MinTrials = 1


class PercentilePruner(Body):
    """Prunes a trial whose best mean so far is not in the best `percentile` per cent at the same epoch."""

    name: Literal["percentile"]
    percentile: _Finite = Field(25.0, ge=0, le=100, description="Per cent of the complete trials that are good enough.")
    n_startup_trials: _Startup = 5
    n_warmup_steps: _Warmup = 0
    interval_steps: _Interval = 1
    n_min_trials: _MinTrials = 1


class SuccessiveHalvingPruner(Body):
    """Asynchronous successive halving: of those that reach a rung, one in `reduction_factor` goes on."""

    name: Literal["successive_halving"]
    mode: _Mode = "promotion"
    min_resource: _EpochsOrAuto = Field(
        "auto",
        description="Epochs to the first rung; auto is a hundredth of the longest training that the space holds.",
    )
    reduction_factor: int = Field(4, ge=2, le=1000, description="One in so many goes on at a rung.")
    min_early_stopping_rate: int = Field(0, ge=0, le=20, description="Rungs left out at the beginning.")
    bootstrap_count: _Bootstrap = 0


class HyperbandPruner(Body):
    """Successive halving in several brackets, which begin to halve at different epochs."""

    name: Literal["hyperband"]
    mode: _Mode = "promotion"
    min_resource: int = Field(1, ge=1, le=1_000_000, description="Epochs to the first rung of the first bracket.")
    max_resource: _EpochsOrAuto = Field(
        "auto", description="Epochs of a whole training; auto is the longest that the space holds."
    )
    reduction_factor: int = Field(3, ge=2, le=1000, description="One in so many goes on at a rung.")
    bootstrap_count: _Bootstrap = 0

    @model_validator(mode="after")
    def _has_a_bracket(self) -> Self:
        if self.max_resource != "auto" and self.max_resource < self.min_resource:
            raise ValueError("has a max_resource that is below its min_resource")
        return self


class ThresholdPruner(Body):
    """Prunes a trial whose mean leaves the range from `lower` to `upper`."""

    name: Literal["threshold"]
    lower: _Finite | None = Field(None, description="Prunes below it.")
    upper: _Finite | None = Field(None, description="Prunes above it.")
    n_warmup_steps: _Warmup = 0
    interval_steps: _Interval = 1

    @model_validator(mode="after")
    def _has_a_range(self) -> Self:
        if self.lower is None and self.upper is None:
            raise ValueError("needs lower, upper or both")
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise ValueError("has a lower that is above its upper")
        return self


class WilcoxonPruner(Body):
    """Prunes a trial that is worse than the best one by the signed-rank test; a pair is one seed at the same epoch."""

    name: Literal["wilcoxon"]
    p_threshold: _Finite = Field(0.1, gt=0, le=1, description="Prunes when the test's p is below it.")
    n_startup_steps: int = Field(2, ge=0, le=1000, description="Pairs needed.")


class OneEpochPruner(Body):
    """A baseline: every trial trains for one epoch, and the best `keep` go on."""

    name: Literal["one_epoch"]
    keep: int = Field(ge=1, le=MAX_TRIALS, description="Trials that go on.")


class PatientPruner(Body):
    """Asks `wrapped` only about trials that have not improved for `patience` epochs; without it, prunes those."""

    name: Literal["patient"]
    wrapped: "WrappedPruner | None" = Field(None, description="Another pruner, which has the last word.")
    patience: int = Field(3, ge=0, le=1_000_000, description="Epochs without a better mean.")
    min_delta: _Finite = Field(0.0, ge=0, description="What counts as better is better by more than this.")


PrunerName = Literal["median", "percentile", "successive_halving", "hyperband", "wilcoxon", "patient"]
_Wrappable = (
    MedianPruner | PercentilePruner | SuccessiveHalvingPruner | HyperbandPruner | ThresholdPruner | WilcoxonPruner
)
PrunerOptions = Annotated[_Wrappable | OneEpochPruner | PatientPruner, Field(discriminator="name")]
WrappedPruner = Annotated[Annotated[_Wrappable, Field(discriminator="name")], BeforeValidator(with_options)]
Pruner = Annotated[PrunerOptions, BeforeValidator(with_options, json_schema_input_type=PrunerName | PrunerOptions)]

_PRUNER_ADAPTER: TypeAdapter[PrunerOptions] = TypeAdapter(Pruner)


def stored_pruner(options: Mapping[str, Any]) -> PrunerOptions:
    """The pruner whose options stand in a sweep's row."""
    return _PRUNER_ADAPTER.validate_python(dict(options))
