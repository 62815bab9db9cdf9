"""Wilcoxon's signed-rank test of many samples at once, without the second that importing scipy takes."""

import math
from functools import lru_cache

import numpy as np

# As scipy has it: up to so many pairs p is that of all signs which they may have, and beyond them a normal variable's.
EXACT_PAIRS, EXACT_PAIRS_WITH_TIES = 50, 13


def p_values(
    differences: np.ndarray,  # [samples, pairs]
) -> list[float]:  # by sample
    """The probability that differences are as large by chance alone; of equal differences each has their mean rank.

    A difference of 0 counts half for either side, as `zero_method="zsplit"`.
    """
    sizes = np.abs(differences)
    smaller = (sizes[:, np.newaxis, :] < sizes[:, :, np.newaxis]).sum(2)  # [samples, pairs]
    equal = (sizes[:, np.newaxis, :] == sizes[:, :, np.newaxis]).sum(2)  # [samples, pairs], itself included
    doubled_ranks = 2 * smaller + equal + 1
    is_tied = (equal > 1).any(1) | (differences == 0).any(1)
    pairs = differences.shape[1]
    exact = pairs <= np.where(is_tied, EXACT_PAIRS_WITH_TIES, EXACT_PAIRS)
    samples = zip(differences, doubled_ranks, equal, exact, strict=True)
    return [_exact_p(d, ranks) if small else _normal_p(d, ranks, ties) for d, ranks, ties, small in samples]


def _exact_p(differences: np.ndarray, doubled_ranks: np.ndarray) -> float:
    """Differences of 0 add the same whatever the signs are."""
    tail = _tail(tuple(sorted(doubled_ranks[differences != 0].tolist())))
    return float(tail[doubled_ranks[differences > 0].sum()])


@lru_cache(maxsize=4096)
def _tail(doubled_ranks: tuple[int, ...]) -> np.ndarray:
    """The probability that the ranks of positive differences come to at least so much, by twice their sum."""
    ways = np.zeros(sum(doubled_ranks) + 1)
    ways[0] = 1.0
    for rank in doubled_ranks:
        without = ways.copy()
        ways[rank:] += without[: len(ways) - rank]
    tail: np.ndarray = np.cumsum(ways[::-1])[::-1] / 2.0 ** len(doubled_ranks)
    return tail


def _normal_p(differences: np.ndarray, doubled_ranks: np.ndarray, equal: np.ndarray) -> float:
    pairs = len(differences)
    rank_sum = (doubled_ranks * ((differences > 0) + (differences == 0) / 2)).sum() / 2
    variance = (pairs * (pairs + 1) * (2 * pairs + 1) - (equal**2 - 1).sum() / 2) / 24
    deviation = (rank_sum - pairs * (pairs + 1) / 4) / math.sqrt(variance)
    return math.erfc(deviation / math.sqrt(2)) / 2
