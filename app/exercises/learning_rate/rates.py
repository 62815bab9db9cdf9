"""The rates after each number of epochs, and which of them is best there."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from app.charts.progress.means import has_value
from app.charts.rows import EpochRow
from app.exercises.answers.comparison import compare
from app.exercises.answers.levels import ENDED, Level, best_level, sound
from app.exercises.exercise import SweepData

RATES = {"quick": (0.01, 0.03, 0.1, 0.3, 1.0, 3.0), "full": (0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0, 3.0)}
UNITS = {"quick": 128, "full": 256}
EPOCHS = {"quick": 8, "full": 20}
SEEDS = 5
SWEEP = "rate"
LINES = 5  # numbers of epochs that are drawn and compared

Rates = Mapping[float, Level[float]]  # by rate, in their order


class Optimum(NamedTuple):
    """What is best after so many epochs."""

    epochs: int
    best: Level[float]
    low: float  # the smallest rate that is not clearly worse
    high: float  # the largest


def rates_by_epochs(data: SweepData) -> dict[int, Rates]:
    """By number of epochs, what each rate had come to; a run that had diverged by then counts as such.

    The rate is constant, so a training of fewer epochs is the beginning of one of more. Only trials that have ended
    count, so that all rates are compared over the same seeds.
    """
    rates = {
        trial.number: float(str(trial.params["learning_rate"]))
        for trial in data.trials
        if trial.state in ENDED[:2] and not trial.excluded and "learning_rate" in trial.params
    }
    curves: dict[tuple[int, int], dict[int, EpochRow]] = {}
    for row in data.epochs:
        if row.trial in rates:
            curves.setdefault((row.trial, row.seed), {})[row.epoch] = row
    longest = max((row.epoch for row in data.epochs if row.trial in rates), default=0)
    return {epochs: _rates_after(data, epochs, rates, curves) for epochs in range(1, longest + 1)}


def _rates_after(
    data: SweepData, epochs: int, rates: Mapping[int, float], curves: Mapping[tuple[int, int], Mapping[int, EpochRow]]
) -> Rates:
    values: dict[float, dict[int, float]] = {rate: {} for rate in sorted(set(rates.values()))}
    diverged = dict.fromkeys(values, 0)
    for (trial, seed), curve in curves.items():
        row = curve[min(epochs, max(curve))]
        if has_value(row, data.sweep.objective.metric):
            values[rates[trial]].setdefault(seed, getattr(row, data.sweep.objective.metric))
        else:
            diverged[rates[trial]] += 1
    return {rate: Level(rate, values[rate], diverged[rate]) for rate in values}


def budgets(by_epochs: Mapping[int, Rates]) -> list[int]:
    """The numbers of epochs that are compared: from one to the most, each about the same multiple of the one before."""
    most = max(by_epochs, default=0)
    return sorted({math.ceil(most ** (step / (LINES - 1)) - 1e-9) for step in range(LINES)}) if most else []


def optimum_of(epochs: int, rates: Rates) -> Optimum | None:
    """The best rate, and the range round it of those that are not clearly worse at equal seeds."""
    best = best_level(rates)
    if best is None:
        return None
    ladder = list(sound(rates).values())
    place = ladder.index(best)
    low = high = place
    while low > 0 and _is_as_good(best, ladder[low - 1]):
        low -= 1
    while high + 1 < len(ladder) and _is_as_good(best, ladder[high + 1]):
        high += 1
    return Optimum(epochs, best, ladder[low].setting, ladder[high].setting)


def _is_as_good(best: Level[float], level: Level[float]) -> bool:
    comparison = compare(best, level)
    return comparison is not None and comparison.difference.interval is not None and not comparison.is_clear
