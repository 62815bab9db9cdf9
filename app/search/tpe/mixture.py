"""TPE's mixture of kernels, drawn from and weighed as whole arrays, where Optuna takes some numbers one by one."""

import math

import numpy as np
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
from optuna.samplers._tpe.probability_distributions import (
    _BatchedCategoricalDistributions,
    _BatchedDiscreteTruncLogNormDistributions,
    _BatchedDiscreteTruncNormDistributions,
    _BatchedTruncLogNormDistributions,
    _BatchedTruncNormDistributions,
)

from app.search.tpe.normal import log_mass, quantiles_between

_NumericalKernels = (
    _BatchedDiscreteTruncLogNormDistributions
    | _BatchedDiscreteTruncNormDistributions
    | _BatchedTruncLogNormDistributions
    | _BatchedTruncNormDistributions
)


class Mixture(_ParzenEstimator):
    """Optuna's estimator, whose draws and densities are equal to its own but for rounding."""

    _log_masses: list[np.ndarray | None] | None = None  # of each column's kernels within the bounds, once it was asked

    def sample(self, rng: np.random.RandomState, size: int) -> dict[str, np.ndarray]:
        """So many draws, by hyperparameter: each is of a kernel of its own, which all its hyperparameters share."""
        mixture = self._mixture_distribution
        kernel = rng.choice(len(mixture.weights), p=mixture.weights, size=size)  # [size]
        draws = np.empty((len(mixture.distributions), size))
        numerical = []
        for column, kernels in enumerate(mixture.distributions):  # first names, then all numbers, as Optuna draws them
            if isinstance(kernels, _BatchedCategoricalDistributions):
                shares = np.cumsum(kernels.weights[kernel], axis=1)[:, :-1]  # the last one is 1
                draws[column] = (shares < rng.rand(size)[:, np.newaxis]).sum(1)
            else:
                numerical.append((column, kernels))
        for (column, kernels), quantiles in zip(numerical, rng.uniform(size=(len(numerical), size)), strict=True):
            draws[column] = _draws_of(kernels, kernel, quantiles)
        return dict(zip(self._search_space, draws, strict=True))

    def log_pdf(self, samples_dict: dict[str, np.ndarray]) -> np.ndarray:
        """The logarithm of the density at each sample."""
        samples = self._transform(samples_dict)  # [n, hyperparameters]
        mixture = self._mixture_distribution
        if self._log_masses is None:
            self._log_masses = [_log_mass_within_bounds(kernels) for kernels in mixture.distributions]
        densities = np.log(mixture.weights)[np.newaxis]  # [n, kernels] from here on
        for column, kernels, mass in zip(samples.T, mixture.distributions, self._log_masses, strict=True):
            if isinstance(kernels, _BatchedCategoricalDistributions):
                densities = densities + np.log(kernels.weights).T[column.astype(np.int64)]
            else:
                densities = densities + (_log_densities(kernels, column) - mass)
        highest = densities.max(axis=1, keepdims=True)
        highest[np.isneginf(highest)] = 0.0
        with np.errstate(divide="ignore"):
            mixed: np.ndarray = np.log(np.exp(densities - highest).sum(axis=1)) + highest[:, 0]
        return mixed


def _draws_of(
    kernels: _NumericalKernels,
    kernel: np.ndarray,  # [n] which one each draw is of
    quantiles: np.ndarray,  # [n]
) -> np.ndarray:  # [n]
    mu, sigma = kernels.mu[kernel], kernels.sigma[kernel]
    low, high = ((bound - mu) / sigma for bound in (kernels.adapted_low, kernels.adapted_high))
    values: np.ndarray = quantiles_between(low, high, quantiles) * sigma + mu
    if kernels.is_log:
        values = np.exp(values)
    if kernels.step:
        steps = np.round((values - kernels.low) / kernels.step)
        values = np.clip(kernels.low + steps * kernels.step, kernels.low, kernels.high)
    return values


def _log_densities(
    kernels: _NumericalKernels,
    values: np.ndarray,  # [n]
) -> np.ndarray:  # [n, kernels]
    """Of normal kernels as if they had no bounds, summed over a step where there is one."""
    if kernels.step:  # some values come several times, and a mass is dear
        rows: dict[float, int] = {}
        inverse = [rows.setdefault(value, len(rows)) for value in values.tolist()]
        places = np.array(list(rows))
        ends = places - kernels.step / 2, places + kernels.step / 2
        return log_mass(*(_scaled(kernels, end) for end in ends))[inverse]
    scaled = _scaled(kernels, values)
    densities: np.ndarray = scaled * scaled / -2 - (np.log(kernels.sigma) + math.log(math.sqrt(2 * math.pi)))
    return densities


def _log_mass_within_bounds(kernels: _NumericalKernels | _BatchedCategoricalDistributions) -> np.ndarray | None:
    """Of each normal kernel, [kernels]; None for names."""
    if isinstance(kernels, _BatchedCategoricalDistributions):
        return None
    low, high = ((bound - kernels.mu) / kernels.sigma for bound in (kernels.adapted_low, kernels.adapted_high))
    return log_mass(low, high)


def _scaled(
    kernels: _NumericalKernels,
    values: np.ndarray,  # [n]
) -> np.ndarray:  # [n, kernels]
    """How many standard deviations the values are from the means."""
    scaled: np.ndarray = (np.log(values) if kernels.is_log else values)[:, np.newaxis] - kernels.mu
    scaled /= kernels.sigma
    return scaled
