"""TPE's mixture of kernels, whose densities are computed for whole arrays: Optuna does integers one by one."""

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

_NumericalKernels = (
    _BatchedDiscreteTruncLogNormDistributions
    | _BatchedDiscreteTruncNormDistributions
    | _BatchedTruncLogNormDistributions
    | _BatchedTruncNormDistributions
)
MIN_MASS = 1e-290  # below it a float64 loses digits, and logarithms are taken before the difference


class Mixture(_ParzenEstimator):
    """Optuna's estimator, whose densities are equal to its own but for rounding."""

    def log_pdf(self, samples_dict: dict[str, np.ndarray]) -> np.ndarray:
        """The logarithm of the density at each sample."""
        samples = self._transform(samples_dict)  # [n, hyperparameters]
        mixture = self._mixture_distribution
        densities = np.log(mixture.weights)[np.newaxis]  # [n, kernels] from here on
        for column, kernels in zip(samples.T, mixture.distributions, strict=True):
            if isinstance(kernels, _BatchedCategoricalDistributions):
                densities = densities + np.log(kernels.weights).T[column.astype(np.int64)]
            else:
                densities = densities + _log_densities(kernels, column)
        highest = densities.max(axis=1, keepdims=True)
        highest[np.isneginf(highest)] = 0.0
        with np.errstate(divide="ignore"):
            mixed: np.ndarray = np.log(np.exp(densities - highest).sum(axis=1)) + highest[:, 0]
        return mixed


def _log_densities(
    kernels: _NumericalKernels,
    values: np.ndarray,  # [n]
) -> np.ndarray:  # [n, kernels]
    """Of normal kernels that are cut off at the bounds, and summed over a step where there is one."""
    places, inverse = np.unique(values, return_inverse=True)
    mass = _log_mass(
        (kernels.adapted_low - kernels.mu) / kernels.sigma, (kernels.adapted_high - kernels.mu) / kernels.sigma
    )
    ends = (places,) if kernels.step == 0 else (places - kernels.step / 2, places + kernels.step / 2)
    scaled = [((np.log(end) if kernels.is_log else end)[:, np.newaxis] - kernels.mu) / kernels.sigma for end in ends]
    if kernels.step == 0:
        densities = -(scaled[0] ** 2) / 2 - np.log(kernels.sigma) - math.log(math.sqrt(2 * math.pi))
    else:
        densities = _log_mass(*scaled)
    within: np.ndarray = (densities - mass)[inverse]
    return within


def _log_mass(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The logarithm of a standard normal variable's probability to lie between, accurate in both tails."""
    from scipy.special import log_ndtr, ndtr  # type: ignore[import-untyped]  # the server needs it not, and lacks it

    # the mass between a and b is that between -b and -a: there both ends are in the left tail
    low, high = np.where(low > 0, -high, low), np.where(low > 0, -low, high)
    mass: np.ndarray = ndtr(high) - ndtr(low)
    tiny = mass < MIN_MASS
    with np.errstate(divide="ignore"):  # no mass at all
        log_mass: np.ndarray = np.log(mass)
        below_high, below_low = log_ndtr(high[tiny]), log_ndtr(low[tiny])
        log_mass[tiny] = below_high + np.log1p(-np.exp(below_low - below_high))
    return log_mass
