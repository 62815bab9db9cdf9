"""How a sweep stands, as every page words it that names sweeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app import schemas
from app.charts.titles import value_name, within
from app.domain.datasets import DatasetInfo
from app.domain.formatting import duration, is_in_own_units, percent, plural, score, split
from app.domain.states import ENDED_SWEEPS, SweepState
from app.domain.tasks import TASKS, Task


@dataclass(frozen=True)
class SweepSummary:
    """A sweep with what follows from its fields."""

    sweep: schemas.SweepOut
    unit: str = ""
    """Of the numbers that its data set's examples have; nothing where they have classes, or none is known."""

    @property
    def sampler(self) -> str:
        """The sampler's name, whatever options it has."""
        return _name(self.sweep.sampler)

    @property
    def pruner(self) -> str:
        """The pruner's name, or nothing."""
        return _name(self.sweep.pruner) if self.sweep.pruner else ""

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do."""
        return self.sweep.state in ENDED_SWEEPS

    @property
    def progress(self) -> str:
        """`22 %`: the share of the work that is done; `ended` where the sweep ended before all of it was."""
        is_cut_short = self.sweep.stop_reason is not None or self.sweep.counts.cancelled > 0
        if self.sweep.state == SweepState.completed and is_cut_short:
            return "ended"
        return percent(self.sweep.progress)

    @property
    def counts(self) -> list[tuple[str, int]]:
        """Trials by state, where there are any."""
        return [(state, count) for state, count in self.sweep.counts if count]

    @property
    def time_left_by(self) -> str:
        """What the time left follows from, in words."""
        if self.sweep.eta_by == "seconds":
            return "until its time limit"
        if self.sweep.eta_by == "no_improvement":
            return "if no trial is better"
        return "" if self.sweep.started_at or self.sweep.eta_seconds is None else "estimated"

    @property
    def epochs(self) -> str:
        """`248 of 300 epochs`, or repeats where it times; nothing while the sampler has parameters to choose.

        At its end those that were trained alone: dropped and pruned trials were to have more.
        """
        epochs, noun = self.sweep.epochs, "repeat" if self.task.is_timing else "epoch"
        if self.ended:
            return plural(epochs.done, noun) if epochs.done else ""
        return f"{epochs.done:,} of {plural(epochs.total, noun)}" if epochs.total else ""

    @property
    def task(self) -> Task:
        """What its trials measure."""
        return TASKS[self.sweep.task]

    @property
    def measure(self) -> str:
        """What its value is, within a sentence: `validation accuracy`, or `validation MAE in EUR`."""
        metric = self.sweep.objective.metric
        unit = f" in {self.unit}" if self.unit and is_in_own_units(metric) else ""
        return within(value_name(metric)) + unit

    @property
    def setup(self) -> str:
        """What is done: on which data it trains, or what it times."""
        if not self.task.is_timing:
            return self.sweep.dataset
        return f"{self.task.name}, {self.sweep.dataset}" if self.task.takes_data else self.task.name

    def fairness(self, dataset: DatasetInfo) -> str:
        """What the values can be trusted for: which examples chose, or under which circumstances it was timed."""
        if not self.task.is_timing:
            return split(self.sweep.split, dataset)
        return (
            "Each trial is timed alone: no other worker of its machine trains meanwhile, but whatever else runs there "
            "does. What is known of its machine stands with each trial."
        )


def objective_texts(sweep: schemas.SweepOut, values: Sequence[float] | None) -> list[str]:
    """`validation accuracy 0.9251` and `3,160 weights and biases`: a value of each of several objectives."""
    if not sweep.objectives or values is None:
        return []
    return [
        _objective_text(objective.metric, value) for objective, value in zip(sweep.objectives, values, strict=False)
    ]


def _objective_text(metric: str, value: float) -> str:
    if metric == "parameters":
        return f"{value:,.0f} weights and biases"
    if metric == "seconds":
        return f"{duration(value)} of training for a run"
    return f"{within(value_name(metric))} {score(value, metric=metric)}"


def _name(options: str | Mapping[str, Any]) -> str:
    return options if isinstance(options, str) else str(options["name"])
