"""Standard normal variables between bounds, by scipy's functions for whole arrays."""

import numpy as np


def quantiles_between(low: np.ndarray, high: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Of standard normal variables that are cut off at these bounds, element by element."""
    from scipy.special import log_ndtr, ndtri_exp  # type: ignore[import-untyped]  # the server lacks it

    is_right = low >= 0  # turned round: logarithms are accurate in the left tail
    end = np.where(is_right, -high, low)
    with np.errstate(divide="ignore"):  # a quantile of 0 is the end
        part = np.where(is_right, np.log1p(-quantiles), np.log(quantiles)) + log_mass(low, high)
    places: np.ndarray = ndtri_exp(np.logaddexp(log_ndtr(end), part))
    np.negative(places, where=is_right, out=places)
    return places


def log_mass(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The logarithm of a standard normal variable's probability to lie between, -inf where that is below 1e-308.

    Such a kernel adds nothing to its mixture, whose kernel of no trial is as wide as the bounds.
    """
    from scipy.special import ndtr  # as above

    # the mass between a and b is that between -b and -a: there both ends are in the left tail
    is_right = low > 0
    mass: np.ndarray = ndtr(np.where(is_right, -low, high)) - ndtr(np.where(is_right, -high, low))
    with np.errstate(divide="ignore"):
        np.log(mass, out=mass)
    return mass
