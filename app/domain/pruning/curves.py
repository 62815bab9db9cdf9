"""What pruners compare: the learning curves of a sweep's trials, one figure an epoch and run, and their means. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean


@dataclass
class Curve:
    """One trial's means over its runs, by epoch, and the best of them with its epoch.

    A run that stopped early counts with its last figure; one that diverged ends the means. `values` are the figures of
    each run by seed, where they are kept.
    """

    means: dict[int, float] = field(default_factory=dict)
    values: dict[int, dict[int, float]] = field(default_factory=dict)
    best: tuple[int, float] | None = None
    last_epoch: int = 0
    last: dict[int, float | None] = field(default_factory=dict)

    def next(self, runs: Mapping[int, Sequence[float | None]]) -> list[tuple[float | None, ...]]:
        """Takes the next figures of runs; gives those of all runs so far, in the order of `last`, for each epoch."""
        length = max(map(len, runs.values()))
        columns: dict[int, Sequence[float | None]] = {seed: [last] * length for seed, last in self.last.items()}
        for seed, figures in runs.items():
            columns[seed] = [*figures, *([figures[-1]] * (length - len(figures)))]
        self.last = {seed: column[-1] for seed, column in columns.items()}
        self.last_epoch += length
        return list(zip(*list(columns.values()), strict=True))


@dataclass
class CurveTable:
    """The curves of a sweep's trials by number, as far as they are known at this moment.

    `complete` holds the values of the trials that came to their end. `longest` is the number of epochs of the longest
    training that the space holds, `seed` the sweep's. With `keep_runs` each run's figures are kept, beside the means.
    """

    maximize: bool
    runs: int
    longest: int
    seed: int
    keep_runs: bool = False
    curves: dict[int, Curve] = field(default_factory=dict)
    complete: dict[int, float] = field(default_factory=dict)

    def add(self, number: int, runs: Mapping[int, Sequence[float | None]]) -> None:
        """Notes the next figures of a trial's runs by seed, None where one was not finite."""
        curve = self.curves.setdefault(number, Curve())
        first = curve.last_epoch + 1
        for epoch, column in enumerate(curve.next(runs), start=first):
            figures = [figure for figure in column if figure is not None]
            if len(figures) < self.runs:
                continue
            curve.means[epoch] = mean = fmean(figures)
            if curve.best is None or self.worse(curve.best[1], mean):
                curve.best = (epoch, mean)
            if self.keep_runs:
                curve.values[epoch] = dict(zip(curve.last, figures, strict=True))

    def forget(self, number: int) -> None:
        """Drops what is known of a trial, which begins anew or is left out."""
        self.curves.pop(number, None)
        self.complete.pop(number, None)

    def at(self, epoch: int) -> dict[int, float]:
        """The means of all trials that have one at this epoch, by number."""
        return {number: curve.means[epoch] for number, curve in self.curves.items() if epoch in curve.means}

    def worse(self, one: float, other: float) -> bool:
        return one < other if self.maximize else one > other
