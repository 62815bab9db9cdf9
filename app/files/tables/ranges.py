"""Ranges of numbers, by whose counts people see how a target is spread."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MAX_RANGES = 10


def ranges_of(numbers: NDArray[np.float64]) -> list[float]:
    """Edges of at most so many ranges of one round width that hold all of these numbers, which must differ."""
    low, high = float(numbers.min()), float(numbers.max())
    magnitude = 10.0 ** np.floor(np.log10((high - low) / MAX_RANGES))
    for factor in (1, 2, 2.5, 5, 10, 20):
        width = factor * magnitude
        first, last = np.floor(low / width), np.floor(high / width) + 1
        if last - first <= MAX_RANGES:
            break
    return [float(f"{place * width:.12g}") for place in np.arange(first, last + 1)]


def counts_in(numbers: NDArray[np.float64], edges: Sequence[float]) -> list[int]:
    """How many of the numbers are in each range, which has its lower edge, and not its upper."""
    places = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2)
    counts: list[int] = np.bincount(places, minlength=len(edges) - 1).tolist()
    return counts
