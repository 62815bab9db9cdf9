"""Standardized numbers: mean 0 and standard deviation 1 among the examples that are trained on."""

import numpy as np
from numpy.typing import NDArray

from app.domain.datasets import Scaling

Numbers = NDArray[np.float64]


def scaling_of(
    x: Numbers,  # [n, features] of the examples that are trained on
    y: Numbers,  # [n]
) -> Scaling:
    """Their means and deviations; what never changes has a deviation of 1 in place of 0."""
    stds = np.append(x.std(0), y.std())
    *feature_stds, target_std = np.where(stds > 0, stds, 1.0).tolist()
    return Scaling(tuple(x.mean(0).tolist()), tuple(feature_stds), float(y.mean()), target_std)


def standardized(
    scaling: Scaling,
    x: Numbers,  # [n, features]
    y: Numbers,  # [n]
) -> tuple[Numbers, Numbers]:
    """The examples in units of the scaling."""
    features = (x - np.array(scaling.feature_means)) / np.array(scaling.feature_stds)
    return features, (y - scaling.target_mean) / scaling.target_std
