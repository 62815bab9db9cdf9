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
    values: np.ndarray = _quantiles_between(low, high, quantiles) * sigma + mu
    if kernels.is_log:
        values = np.exp(values)
    if kernels.step:
        steps = np.round((values - kernels.low) / kernels.step)
        values = np.clip(kernels.low + steps * kernels.step, kernels.low, kernels.high)
    return values


def _quantiles_between(
    low: np.ndarray,  # [n]
    high: np.ndarray,  # [n]
    quantiles: np.ndarray,  # [n]
) -> np.ndarray:  # [n]
    """Of standard normal variables that are cut off at these bounds."""
    from scipy.special import log_ndtr, ndtri_exp  # type: ignore[import-untyped]  # the server lacks it

    is_right = low >= 0  # turned round: logarithms are accurate in the left tail
    end = np.where(is_right, -high, low)
    with np.errstate(divide="ignore"):  # a quantile of 0 is the end
        part = np.where(is_right, np.log1p(-quantiles), np.log(quantiles)) + _log_mass(low, high)
    places: np.ndarray = ndtri_exp(np.logaddexp(log_ndtr(end), part))
    np.negative(places, where=is_right, out=places)
    return places


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
        return _log_mass(*(_scaled(kernels, end) for end in ends))[inverse]
    scaled = _scaled(kernels, values)
    densities: np.ndarray = scaled * scaled / -2 - (np.log(kernels.sigma) + math.log(math.sqrt(2 * math.pi)))
    return densities


def _log_mass_within_bounds(kernels: _NumericalKernels | _BatchedCategoricalDistributions) -> np.ndarray | None:
    """Of each normal kernel, [kernels]; None for names."""
    if isinstance(kernels, _BatchedCategoricalDistributions):
        return None
    low, high = ((bound - kernels.mu) / kernels.sigma for bound in (kernels.adapted_low, kernels.adapted_high))
    return _log_mass(low, high)


def _scaled(
    kernels: _NumericalKernels,
    values: np.ndarray,  # [n]
) -> np.ndarray:  # [n, kernels]
    """How many standard deviations the values are from the means."""
    scaled: np.ndarray = (np.log(values) if kernels.is_log else values)[:, np.newaxis] - kernels.mu
    scaled /= kernels.sigma
    return scaled


def _log_mass(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The logarithm of a standard normal variable's probability to lie between, -inf where that is below 1e-308.

    Such a kernel adds nothing to its mixture, whose last kernel is as wide as the bounds.
    """
    from scipy.special import ndtr  # as above

    # the mass between a and b is that between -b and -a: there both ends are in the left tail
    is_right = low > 0
    mass: np.ndarray = ndtr(np.where(is_right, -low, high)) - ndtr(np.where(is_right, -high, low))
    with np.errstate(divide="ignore"):
        np.log(mass, out=mass)
    return mass
