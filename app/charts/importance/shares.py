"""Functional analysis of variance: how much of a forest's variance each hyperparameter explains by itself.

After Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance" (2014), with the
averaged forest in place of its single trees, and over resamples of the trials.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from app.charts.forest.bins import Binned, Floats, Integers
from app.charts.forest.trees import Forest, grow

RESAMPLES = 20
TREES = 4  # of a resample
POINTS = 1_000  # of the search space, at which a forest's variance is taken
CHANCE_BINS = 8


class Shares(NamedTuple):
    """Shares of the variance, one row for each resample of the trials."""

    single: Floats  # (resamples, hyperparameters): what each explains alone
    chance: Floats  # (resamples,): what a column of random numbers seems to explain
    together: Floats  # (resamples,): what none explains alone
    predicted: float  # share of the variance of trials that a forest did not see


def shares(columns: Sequence[Binned], values: Floats) -> Shares:
    """The shares of these hyperparameters. The same trials give the same shares."""
    rng = np.random.default_rng(0)
    trials = len(values)
    chance = Binned(rng.integers(CHANCE_BINS, size=trials), np.full(CHANCE_BINS, 1 / CHANCE_BINS))
    masses = [column.masses for column in (*columns, chance)]
    bins = np.stack([column.indices for column in (*columns, chance)], axis=1)
    resamples = rng.integers(trials, size=(RESAMPLES, trials))
    draws = rng.integers(trials, size=(RESAMPLES, TREES, trials))
    samples = np.take_along_axis(resamples[:, None, :], draws, axis=2).reshape(RESAMPLES * TREES, trials)
    count = max(map(len, masses))
    forest = grow(bins, values, samples, count)
    variance = _variance(forest, masses, rng)
    alone = np.stack([_alone(forest, masses, feature) for feature in range(len(masses))], axis=1)
    parts = np.clip(alone / np.maximum(variance, 1e-30)[:, None], 0.0, 1.0)
    together = np.clip(1.0 - parts.sum(axis=1), 0.0, 1.0)
    return Shares(parts[:, :-1], parts[:, -1], together, _predicted(forest, bins, values, resamples))


def _variance(forest: Forest, masses: Sequence[Floats], rng: np.random.Generator) -> Floats:
    """The variance of each resample's forest over the search space."""
    points = np.stack([rng.choice(len(mass), size=POINTS, p=mass) for mass in masses], axis=1)
    return np.asarray(_averaged(forest.predict(points)).var(axis=1))


def _alone(forest: Forest, masses: list[Floats], feature: int) -> Floats:
    """The variance over one feature of the forests' means over all others."""
    mass = masses[feature]
    spans = forest.volumes(masses)
    spans[..., feature] = 1.0
    weights = spans.prod(axis=-1) * forest.values
    bins = np.arange(len(mass))
    inside = (forest.first_bins[..., feature, None] <= bins) & (bins <= forest.last_bins[..., feature, None])
    means = _averaged((weights[..., None] * inside).sum(axis=1))
    return np.asarray((means**2 @ mass) - (means @ mass) ** 2)


def _averaged(of_trees: Floats) -> Floats:
    """The mean over the trees of each resample."""
    return np.asarray(of_trees.reshape(RESAMPLES, TREES, -1).mean(axis=1))


def _predicted(forest: Forest, bins: Integers, values: Floats, resamples: Integers) -> float:
    """How much better the forests are than the mean, on the trials that are not in their resamples."""
    unseen = np.ones((RESAMPLES, len(values)), dtype=bool)
    np.put_along_axis(unseen, resamples, values=False, axis=1)
    errors = (_averaged(forest.predict(bins)) - values)[unseen]
    spread = np.broadcast_to(values - values.mean(), unseen.shape)[unseen]
    return float(1.0 - (errors @ errors) / max(spread @ spread, 1e-30))
