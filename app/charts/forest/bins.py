"""Hyperparameters in bins: choices by name, ranges in equal steps of their own scale."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.charts.labels import label
from app.charts.rows import Axis
from app.domain.hyperparameters import is_number

BINS = 12  # at most, of a range

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class Binned(NamedTuple):
    """One hyperparameter of all trials."""

    indices: Integers  # (trials,): the bin of each
    masses: Floats  # (bins,): the share of the search space that each is, 1 in sum
    places: Sequence[object] = ()  # (bins,): a value in the middle of each, None where there is none


def binned(axis: Axis, values: Sequence[object], outcomes: Floats) -> Binned:
    """The bins of these values, None where a condition leaves the hyperparameter out, which has a bin of its own.

    Names are in the order of the mean outcomes, so that neighbours go together.
    """
    present = np.array([value is not None for value in values])
    numbers = [value for value in values if is_number(value)]
    if len(numbers) == present.sum():
        inner = _by_number(axis, [float(str(value)) for value in numbers])
    else:
        inner = _by_name([label(value) for value in values if value is not None], outcomes[present])
    if present.all():
        return inner
    indices = np.zeros(len(values), dtype=np.int64)
    indices[present] = inner.indices + 1
    share = float(present.mean())
    return Binned(indices, np.array([1.0 - share, *(share * inner.masses)]), (None, *inner.places))


def _by_number(axis: Axis, numbers: Sequence[float]) -> Binned:
    distinct = sorted(set(numbers))
    if len(distinct) <= BINS:
        return Binned(np.searchsorted(np.array(distinct), np.array(numbers)), _equal(len(distinct)), distinct)
    is_log = axis.log and distinct[0] > 0
    places = np.array([math.log(number) for number in numbers] if is_log else numbers)
    borders = np.linspace(places.min(), places.max(), BINS + 1)
    middles = [float(middle) for middle in (borders[:-1] + borders[1:]) / 2]
    values = [math.exp(middle) for middle in middles] if is_log else middles
    return Binned(np.searchsorted(borders[1:-1], places), _equal(BINS), values)


def _by_name(names: Sequence[str], outcomes: Floats) -> Binned:
    distinct, indices = np.unique(np.array(names), return_inverse=True)
    means = np.bincount(indices, weights=outcomes) / np.bincount(indices)
    ranks = np.empty(len(distinct), dtype=np.int64)
    ranks[np.argsort(means)] = np.arange(len(distinct))
    return Binned(ranks[indices], _equal(len(distinct)), [str(distinct[index]) for index in np.argsort(ranks)])


def _equal(count: int) -> Floats:
    return np.full(count, 1.0 / count)
