"""Partial dependence: what a forest expects along one or two hyperparameters, with the others as they were tried.

After the idea of Moosbauer et al., "Explaining Hyperparameter Optimization via Partial Dependence Plots" (NeurIPS
2021): with how sure that is, and only where there are trials. Theirs is a Gaussian process; here it is a forest, and
the band is that of forests of resamples of the trials.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.charts.forest.bins import Binned, Floats, Integers
from app.charts.forest.trees import Forest, grow

RESAMPLES = 20
TREES = 4  # of a resample
SETTINGS = 100  # of the other hyperparameters, which are averaged
LINES = 20  # of these drawn one by one
INTERVAL = (0.05, 0.95)  # quantiles over the resamples


class Dependence(NamedTuple):
    """What is expected in each bin of a hyperparameter; nan in bins without trials."""

    mean: Floats  # (bins,)
    low: Floats  # (bins,)
    high: Floats  # (bins,)
    lines: Floats  # (lines, bins): with the other hyperparameters of single trials


def dependence(columns: Sequence[Binned], values: Floats, feature: int) -> Dependence:
    """Of the hyperparameter in this column. The same trials give the same."""
    bins, forest, settings = _fit(columns, values)
    count = len(columns[feature].masses)
    grid = np.repeat(settings[None], count, axis=0)
    grid[..., feature] = np.arange(count)[:, None]
    expected = _expected(forest, grid.reshape(-1, bins.shape[1])).reshape(RESAMPLES, count, len(settings))
    means = expected.mean(axis=2)
    low, high = np.quantile(means, INTERVAL, axis=0)
    lines = expected.mean(axis=0).T[: min(LINES, len(settings))]
    empty = np.bincount(bins[:, feature], minlength=count) == 0
    return Dependence(*(np.where(empty, np.nan, part) for part in (means.mean(axis=0), low, high, lines)))


def dependence_of_two(columns: Sequence[Binned], values: Floats, x: int, y: int) -> Floats:
    """What is expected in each cell of two hyperparameters, (bins of y, bins of x); nan where no trial is near."""
    bins, forest, settings = _fit(columns, values)
    wide, high = len(columns[x].masses), len(columns[y].masses)
    grid = np.repeat(settings[None], wide * high, axis=0)
    grid[..., x] = np.tile(np.arange(wide), high)[:, None]
    grid[..., y] = np.repeat(np.arange(high), wide)[:, None]
    expected = _expected(forest, grid.reshape(-1, bins.shape[1])).reshape(RESAMPLES, high, wide, len(settings))
    return np.where(_near(bins[:, x], bins[:, y], wide, high), expected.mean(axis=(0, 3)), np.nan)


def _fit(columns: Sequence[Binned], values: Floats) -> tuple[Integers, Forest, Integers]:
    """The trials' bins, a forest of them, and some of the trials, which stand for the other hyperparameters."""
    rng = np.random.default_rng(0)
    trials = len(values)
    bins = np.stack([column.indices for column in columns], axis=1)
    resamples = rng.integers(trials, size=(RESAMPLES, trials))
    draws = rng.integers(trials, size=(RESAMPLES, TREES, trials))
    samples = np.take_along_axis(resamples[:, None, :], draws, axis=2).reshape(RESAMPLES * TREES, trials)
    forest = grow(bins, values, samples, max(len(column.masses) for column in columns))
    return bins, forest, bins[rng.permutation(trials)[:SETTINGS]]


def _expected(forest: Forest, rows: Integers) -> Floats:
    """The mean over the trees of each resample, (resamples, rows)."""
    return np.asarray(forest.predict(rows).reshape(RESAMPLES, TREES, -1).mean(axis=1))


def _near(x: Integers, y: Integers, wide: int, high: int) -> NDArray[np.bool_]:
    """Whether a cell or one beside it has a trial."""
    has_trial = np.zeros((high + 2, wide + 2), dtype=bool)
    has_trial[y + 1, x + 1] = True
    shifts = [(i, j) for i in range(3) for j in range(3)]
    return np.asarray(np.any([has_trial[i : i + high, j : j + wide] for i, j in shifts], axis=0))
