"""A task: what a trial of a sweep measures, and what one repeat of it takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.datasets import DatasetInfo, Target
from app.domain.hyperparameters import Hyperparameter

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Metric:
    """What a trial's value may be."""

    title: str
    """What people call it."""
    maximize: bool
    """Whether more of it is better."""
    unit: str = ""
    """What its values are counted in; nothing where it is a share or a loss."""
    own_units: bool = False
    """Whether it is counted in the units of the data set's target, so that it may be of any size."""
    target: Target | None = None
    """The kind of target that it is measured of; None: of every kind."""

    @property
    def direction(self) -> str:
        """`maximize` or `minimize`."""
        return "maximize" if self.maximize else "minimize"


@dataclass(frozen=True)
class Task:
    """One row of the table of tasks."""

    name: str
    """What sweeps call it."""
    meaning: str
    """What its trials measure, in a line."""
    hyperparameters: Mapping[str, Hyperparameter]
    """Those that its search spaces may have."""
    metrics: Mapping[str, Metric]
    """What can be its objective, by name."""
    complete: Callable[[Params], dict[str, Any]]
    """Parameters with the defaults of those that they leave out."""
    cost: Callable[[Params, DatasetInfo], float]
    """What a run costs: multiply-adds per example of a training, and roughly the seconds of a timing."""
    epochs: Callable[[Params], int] = lambda _: 1
    """Points that a run adds to the progress of its sweep."""
    of_seconds: Callable[[Params, DatasetInfo, float], dict[str, float]] | None = None
    """The metrics of a timing, by the seconds that were measured; None where the task trains."""
    takes_data: bool = True
    """Whether it needs a data set."""

    @property
    def is_timing(self) -> bool:
        """Whether it times: its trials run alone on their machine, and have no curves, weights or test scores."""
        return self.of_seconds is not None

    @property
    def run_noun(self) -> str:
        """What its runs differ in, as people call it."""
        return "repeat" if self.is_timing else "seed"

    def metrics_of(self, target: Target) -> dict[str, Metric]:
        """Those that it measures where the data set's targets are of this kind; the first is what a sweep goes by."""
        return {name: metric for name, metric in self.metrics.items() if metric.target in {None, target}}


def completed_by(hyperparameters: Mapping[str, Hyperparameter]) -> Callable[[Params], dict[str, Any]]:
    """Completes parameters by the table's defaults."""
    defaults = {name: parameter.default for name, parameter in hyperparameters.items()}
    return lambda params: {**defaults, **params}
