"""The learning curves of a sweep's trials, one value an epoch and run, and their means over the runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from app.domain.objectives import Objective


@dataclass
class Curve:
    """One trial's learning curve."""

    means: dict[int, float] = field(default_factory=dict)
    """The mean over the trial's runs by epoch. A run that stopped early counts with its last value; a run that diverged
    ends the means."""
    best_epoch: int | None = None  # of the best mean; None while there is none
    run_values: dict[int, dict[int, float]] = field(default_factory=dict)
    """The values of the single runs by epoch, then by seed. Empty unless the table keeps runs."""
    last_epoch: int = 0  # 0 before the first one
    last_values: dict[int, float | None] = field(default_factory=dict)
    """The last value of each run by seed, None where the run diverged."""

    @property
    def best_mean(self) -> float:
        """The best mean so far. Raises KeyError while there is none."""
        return self.means[self.best_epoch or 0]

    def extend(self, runs: Mapping[int, Sequence[float | None]]) -> list[tuple[float | None, ...]]:
        """Takes the next values of runs by seed; returns for each new epoch the values of all runs.

        The values stand in the order of `last_values`. A run that has no value for an epoch repeats its last one.
        """
        length = max(map(len, runs.values()))
        columns: dict[int, Sequence[float | None]] = {seed: [last] * length for seed, last in self.last_values.items()}
        for seed, values in runs.items():
            columns[seed] = [*values, *([values[-1]] * (length - len(values)))]
        self.last_values = {seed: column[-1] for seed, column in columns.items()}
        self.last_epoch += length
        return list(zip(*columns.values(), strict=True))


@dataclass
class CurveTable:
    """The curves of a sweep's trials by the trials' numbers, as far as they are known at this moment."""

    objective: Objective  # the metric of the curves and its direction
    seeds: int  # runs of a trial; a mean needs a value of each
    max_epochs: int  # of the longest training that the search space holds
    sweep_seed: int  # by which hyperband deals trials to its brackets
    keep_runs: bool = False  # whether the values of single runs are kept beside the means
    curves: dict[int, Curve] = field(default_factory=dict)
    complete_values: dict[int, float] = field(default_factory=dict)  # the values of complete trials

    def add(self, number: int, runs: Mapping[int, Sequence[float | None]]) -> None:
        """Adds the next values of a trial's runs by seed, None where one was not finite."""
        curve = self.curves.setdefault(number, Curve())
        first_epoch = curve.last_epoch + 1
        for epoch, column in enumerate(curve.extend(runs), start=first_epoch):
            values = [value for value in column if value is not None]
            if len(values) < self.seeds:
                continue
            curve.means[epoch] = mean = fmean(values)
            if curve.best_epoch is None or self.objective.is_better(mean, than=curve.best_mean):
                curve.best_epoch = epoch
            if self.keep_runs:
                curve.run_values[epoch] = dict(zip(curve.last_values, values, strict=True))

    def forget(self, number: int) -> None:
        """Drops what is known of a trial that begins anew or no longer counts."""
        self.curves.pop(number, None)
        self.complete_values.pop(number, None)

    def means_at(self, epoch: int, numbers: Iterable[int] | None = None) -> dict[int, float]:
        """The means at this epoch by trial number: of all trials, or of those with these numbers, that have one."""
        curves = self.curves
        reached = (number for number in (curves if numbers is None else numbers) if number in curves)
        return {number: curves[number].means[epoch] for number in reached if epoch in curves[number].means}
