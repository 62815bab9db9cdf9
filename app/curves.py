"""What pruners compare: the learning curves of a sweep's trials, one figure an epoch and run, and their means. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean


@dataclass
class Curve:
    """One trial's figures. A run that stopped early counts with its last figure; one that diverged ends the means."""

    runs: int
    means: dict[int, float] = field(default_factory=dict)
    values: dict[int, dict[int, float]] = field(default_factory=dict)
    best: tuple[int, float] | None = None
    last_epoch: int = 0
    _last: dict[int, float | None] = field(default_factory=dict)

    def add(self, epoch: int, figures: Mapping[int, float | None], *, maximize: bool) -> None:
        """Notes an epoch: the figure of each run by seed, None where it was not finite. Epochs come in order."""
        self.last_epoch = epoch
        self._last |= figures
        values = {seed: figure for seed, figure in sorted(self._last.items()) if figure is not None}
        if len(values) < self.runs:
            return
        mean = fmean(values.values())
        self.values[epoch], self.means[epoch] = values, mean
        if self.best is None or (mean > self.best[1] if maximize else mean < self.best[1]):
            self.best = (epoch, mean)


@dataclass
class Board:
    """The curves of a sweep's trials by number, as far as they are known at this moment.

    `complete` holds the values of the trials that came to their end. `longest` is the number of epochs of the longest
    training that the space holds, `seed` the sweep's.
    """

    maximize: bool
    runs: int
    longest: int
    seed: int
    curves: dict[int, Curve] = field(default_factory=dict)
    complete: dict[int, float] = field(default_factory=dict)

    def add(self, number: int, epoch: int, figures: Mapping[int, float | None]) -> None:
        """Notes an epoch of a trial, as `Curve.add`."""
        self.curves.setdefault(number, Curve(self.runs)).add(epoch, figures, maximize=self.maximize)

    def forget(self, number: int) -> None:
        """Drops what is known of a trial, which begins anew or is left out."""
        self.curves.pop(number, None)
        self.complete.pop(number, None)

    def at(self, epoch: int) -> dict[int, float]:
        """The means of all trials that have one at this epoch, by number."""
        return {number: curve.means[epoch] for number, curve in self.curves.items() if epoch in curve.means}

    def worse(self, one: float, other: float) -> bool:
        return one < other if self.maximize else one > other
