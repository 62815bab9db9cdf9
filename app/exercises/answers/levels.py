"""Levels: what all runs of one setting come to, by seed, so that settings can be compared at equal seeds."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Generic, TypeVar

from app.charts.rows import EpochRow, TrialRow
from app.domain.comparisons.paired_differences import student_quantile
from app.exercises.answers.finding import Interval

CONFIDENCE = 0.95
ENDED = ("complete", "failed", "pruned")


K = TypeVar("K")


@dataclass(frozen=True)
class Level(Generic[K]):
    """All runs of one setting."""

    setting: K
    values: Mapping[int, float]
    """The values of the runs that have one, by seed."""
    diverged: int = 0
    """Runs that ended without a value."""

    @property
    def n(self) -> int:
        """The runs that have a value."""
        return len(self.values)

    @property
    def runs(self) -> int:
        """The runs that have ended, with a value or without."""
        return self.n + self.diverged

    @property
    def mean(self) -> float:
        """Of the values. Raises StatisticsError where there are none."""
        return fmean(self.values.values())

    @property
    def std(self) -> float | None:
        """The sample standard deviation; None for a single run."""
        return stdev(self.values.values()) if self.n > 1 else None

    @property
    def interval(self) -> Interval | None:
        """Student's confidence interval of the mean; None for a single run."""
        if self.std is None:
            return None
        margin = student_quantile(CONFIDENCE, self.n - 1) * self.std / math.sqrt(self.n)
        return (self.mean - margin, self.mean + margin)


def levels(
    trials: Sequence[TrialRow], setting: Callable[[TrialRow], K | None], *, pruned: bool = False
) -> dict[K, Level[K]]:
    """The runs of ended trials by setting, in the order in which the settings first come; without one, left out.

    A seed that a setting was trained with twice counts once. Pruned trials stopped early, and are left out unless asked
    for.
    """
    states = ENDED if pruned else ENDED[:2]
    values: defaultdict[K, dict[int, float]] = defaultdict(dict)
    diverged: defaultdict[K, int] = defaultdict(int)
    for trial in trials:
        trial_setting = setting(trial)
        if trial_setting is None or trial.state not in states or trial.excluded:
            continue
        for run in trial.runs:
            if run.value is None:
                diverged[trial_setting] += 1
            else:
                values[trial_setting].setdefault(run.seed, run.value)
        values.setdefault(trial_setting, {})
    return {key: Level(key, values[key], diverged[key]) for key in values}


def levels_at(
    epochs: Sequence[EpochRow], trials: Mapping[int, K], metric: str, epoch: int | None = None
) -> dict[K, Level[K]]:
    """The values of a metric at one epoch, or at the last one of each run, for trials whose settings are given.

    `trials` has a setting for each trial's number. A run that has not reached the epoch, or has no finite value there,
    has no value here.
    """
    last: dict[tuple[int, int], EpochRow] = {}
    for row in epochs:
        if row.trial in trials and (epoch is None or row.epoch == epoch):
            earlier = last.get((row.trial, row.seed))
            if earlier is None or earlier.epoch < row.epoch:
                last[row.trial, row.seed] = row
    values: defaultdict[K, dict[int, float]] = defaultdict(dict)
    for (trial, seed), row in last.items():
        value = getattr(row, metric)
        if value is not None and math.isfinite(value):
            values[trials[trial]].setdefault(seed, value)
    return {key: Level(key, values[key]) for key in dict.fromkeys(trials.values()) if key in values}


def sound(all_levels: Mapping[K, Level[K]]) -> dict[K, Level[K]]:
    """Those that have values and none of whose runs diverged: the candidates for the best."""
    return {key: level for key, level in all_levels.items() if level.n and not level.diverged}


def best_level(all_levels: Mapping[K, Level[K]], *, maximize: bool = True) -> Level[K] | None:
    """The sound level with the best mean, of equals the first; None where there is none."""
    candidates = list(sound(all_levels).values())
    if not candidates:
        return None
    return (max if maximize else min)(candidates, key=lambda level: level.mean)


def wins(all_levels: Mapping[K, Level[K]], best: Level[K], *, maximize: bool = True) -> tuple[int, int]:
    """With how many of its seeds a level is better than every other sound one, or equal, and how many seeds that is."""
    candidates = sound(all_levels).values()
    sign = 1 if maximize else -1
    won = sum(
        all(sign * level.values[seed] <= sign * value for level in candidates if seed in level.values)
        for seed, value in best.values.items()
    )
    return won, best.n
