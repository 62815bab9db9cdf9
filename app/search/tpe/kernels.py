"""TPE's kernels, one for each trial and one as wide as the space; with a further trial little is made anew."""

import math

import numpy as np
from optuna.samplers._tpe.sampler import default_weights

from app.search.tpe.axes import Axes
from app.search.tpe.normal import log_mass

_NEGLIGIBLE = 45.0  # a thousand kernels of a density by so many powers of e below another's are no digit of it
_LOG_ROOT = math.log(math.sqrt(2 * math.pi))


class Kernels:
    """A mixture of kernels, which Optuna's estimator is for the same trials. The first kernel is that of no trial.

    The logarithm of a kernel's density is a sum over the axes. For reals it is a square of the place, so that a product
    of matrices gives the sums of all kernels at many places; so it does for names. What a kernel has of a step, of
    integers and of reals in steps, is dear: only kernels are asked that are near enough to be seen beside the widest.
    """

    def __init__(self, axes: Axes, capacity: int) -> None:
        self._axes, self._count = axes, 0
        shape = (len(axes.numbers), capacity + 1)
        self._means, self._widths, self._constants = np.empty(shape), np.empty(shape), np.empty(shape)
        self._middles = (axes.low + axes.high) / 2  # places are taken from here: so squares lose no digits
        reals = len(axes.reals)
        # by feature of a row: squares of places, places, one for each name, and the last one, which is always 1
        self._factors = np.zeros((2 * reals + sum(count for _, count in axes.choices) + 1, capacity + 1))
        self._means[:, 0], self._widths[:, 0] = self._middles, axes.high - axes.low
        self._chosen_names: list[np.ndarray] = []  # of the names, by trial
        self._renew(np.arange(len(axes.numbers)), np.zeros(len(axes.numbers), dtype=int))
        self._weights = np.empty(0)

    def set(self, rows: np.ndarray, first_new: int) -> None:
        """These are the trials, [n, axes] in the order of their numbers; those before `first_new` were before."""
        axes, count = self._axes, len(rows)
        columns = slice(1, count + 1)
        means = np.ascontiguousarray(rows[:, axes.numbers].T)
        means[axes.is_log] = np.log(means[axes.is_log])
        widths = axes.widths(means)
        is_new = self._widths[:, columns] != widths
        is_new[:, first_new:] = True
        self._means[:, columns], self._widths[:, columns], self._count = means, widths, count
        numbers, trials = np.nonzero(is_new)
        self._renew(numbers, trials + 1)
        weights = np.append(default_weights(count)[:count], 1.0)
        self._weights = weights / weights.sum()  # as Optuna has them, that of no trial at the end
        self._set_names(rows, first_new)
        log_weights = np.log(self._weights)
        constants = self._factors[-1, : count + 1]
        constants[1:], constants[0] = log_weights[:-1], log_weights[-1]
        constants += self._constants[:, : count + 1].sum(axis=0)
        for _, choices in axes.choices:
            constants[1:] += math.log(1 / (count + 1) / (choices / (count + 1) + 1))
            constants[0] -= math.log(choices)

    def _set_names(self, rows: np.ndarray, first_new: int) -> None:
        count, feature = len(rows), 2 * len(self._axes.reals)
        self._chosen_names = []
        for column, choices in self._axes.choices:
            chosen_names = rows[:, column].astype(int)
            new_trials = np.arange(first_new, count)
            self._factors[feature : feature + choices, first_new + 1 : count + 1] = 0
            self._factors[feature + chosen_names[first_new:], new_trials + 1] = 1
            self._chosen_names.append(chosen_names)
            feature += choices

    def _renew(self, numbers: np.ndarray, kernels: np.ndarray) -> None:
        """Computes what depends on the means and widths of these kernels on these axes."""
        axes = self._axes
        means, widths = self._means[numbers, kernels], self._widths[numbers, kernels]
        constants = -log_mass((axes.low[numbers] - means) / widths, (axes.high[numbers] - means) / widths)
        is_real = axes.step[numbers] == 0
        real_kernels, widths, means = kernels[is_real], widths[is_real], (means - self._middles[numbers])[is_real]
        features = np.searchsorted(axes.reals, numbers[is_real])
        factors = 1 / (widths * widths)
        self._factors[features, real_kernels] = factors / -2
        self._factors[len(axes.reals) + features, real_kernels] = means * factors
        constants[is_real] -= means * means * factors / 2 + np.log(widths) + _LOG_ROOT
        self._constants[numbers, kernels] = constants

    def draw(self, rng: np.random.RandomState, size: int) -> np.ndarray:
        """So many rows, [axes, size]: each of a kernel of its own, which all its numbers and names share.

        As Optuna draws them: first the kernels, then all names, and then all numbers.
        """
        axes, kernels_in_all = self._axes, self._count + 1
        kernels = (rng.choice(kernels_in_all, p=self._weights, size=size) + 1) % kernels_in_all
        rows = np.empty((len(axes.distributions), size))
        for (column, choices), chosen_names in zip(axes.choices, self._chosen_names, strict=True):
            shares = np.full((kernels_in_all, choices), 1 / kernels_in_all)
            shares[np.arange(1, kernels_in_all), chosen_names] += 1
            shares /= shares.sum(axis=1, keepdims=True)
            rows[column] = (np.cumsum(shares[kernels], axis=1)[:, :-1] < rng.rand(size)[:, np.newaxis]).sum(1)
        quantiles = rng.uniform(size=(len(axes.numbers), size))
        rows[axes.numbers] = axes.draw(self._means[:, kernels], self._widths[:, kernels], quantiles)
        return rows

    def log_densities(self, rows: np.ndarray) -> np.ndarray:
        """The logarithm of the mixture's density at each of these rows, [axes, n]."""
        axes, count = self._axes, self._count + 1
        numbers = rows[axes.numbers]
        places = axes.places(numbers)[axes.reals] - self._middles[axes.reals, np.newaxis]
        features = [places * places, places]
        for column, choices in axes.choices:  # how much more a kernel has at the name of its trial than at others
            features.append((rows[column] == np.arange(choices)[:, np.newaxis]) * math.log(count + 1))
        features.append(np.ones((1, rows.shape[1])))
        densities = np.concatenate(features).T @ self._factors[:, :count]  # [n, kernels]
        if len(axes.stepped):
            self._add_steps(densities, numbers)
        highest = densities.max(axis=1)
        mixed: np.ndarray = np.log(np.exp(densities - highest[:, np.newaxis]).sum(axis=1)) + highest
        return mixed

    def _add_steps(self, densities: np.ndarray, numbers: np.ndarray) -> None:
        """Adds what each kernel has of the steps at these values, or takes it for nothing where it adds none."""
        stepped, count = self._axes.stepped, densities.shape[1]
        means, widths = self._means[stepped, np.newaxis, :count], self._widths[stepped, np.newaxis, :count]
        low, high = ((end[:, :, np.newaxis] - means) / widths for end in self._axes.step_ends(numbers))
        gaps = np.maximum(np.maximum(low, -high), 0)  # [stepped, n, kernels], and beyond these there is less than
        most = densities - np.einsum("snk,snk->nk", gaps, gaps) / 2
        least = densities[:, 0] + log_mass(low[:, :, 0], high[:, :, 0]).sum(axis=0)
        draws, kernels = np.nonzero(most > least[:, np.newaxis] - _NEGLIGIBLE)
        exact = densities[draws, kernels] + log_mass(low[:, draws, kernels], high[:, draws, kernels]).sum(axis=0)
        densities[:] = -np.inf
        densities[draws, kernels] = exact
