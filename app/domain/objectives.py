"""Objectives: a metric with its direction, and which of two values is the better one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from app.domain.runs import EpochResult


@dataclass(frozen=True)
class Objective:
    """A metric that is to become as large, or as small, as it can."""

    metric: str
    """E.g. `val_accuracy`."""
    maximize: bool = True
    """Whether more of it is better."""

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Objective":
        """The objective of a stored pair, e.g. {"metric": "val_loss", "direction": "minimize"}."""
        return cls(stored["metric"], stored["direction"] == "maximize")

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """`maximize` or `minimize`, as the API and Optuna call it."""
        return "maximize" if self.maximize else "minimize"

    def value_of(self, result: EpochResult) -> float:
        """The metric's value in one epoch of a run."""
        return float(getattr(result, self.metric))

    def is_better(self, value: float, than: float) -> bool:
        """Whether the value is better than another one, which an equal one is not."""
        return value > than if self.maximize else value < than

    def rank(self, value: float, number: int) -> tuple[float, int]:
        """A sort key that puts the best first, and of equal values the earlier trial; every choice goes by it."""
        return (-value if self.maximize else value), number


def further_values(
    metrics: Sequence[str], last_results: Sequence[EpochResult], seconds: Sequence[float], parameters: int
) -> list[float]:
    """A value for each metric: the mean over a trial's runs of what they have after their last epochs.

    `seconds` are those of each run's training, all its epochs together; `parameters` those of its network.
    """
    totals = {"parameters": float(parameters), "seconds": fmean(seconds)}
    return [
        totals[name] if name in totals else fmean(getattr(result, name) for result in last_results) for name in metrics
    ]
