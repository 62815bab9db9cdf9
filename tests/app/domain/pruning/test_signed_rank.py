"""The signed-rank test of many samples at once is scipy's of each by itself."""

import numpy as np
import pytest
from scipy.stats import permutation_test, rankdata, wilcoxon  # type: ignore[import-untyped]

from app.domain.pruning.signed_rank import EXACT_PAIRS_WITH_TIES, p_values


def samples_of(pairs: int, digits: int) -> np.ndarray:
    """Eight samples, with ties where they are rounded to few digits."""
    draw = np.random.default_rng(pairs + digits)
    differences: np.ndarray = (draw.normal(0.1, 0.4, (8, pairs))).round(digits)
    differences[0] = np.abs(differences[0]) + 0.1  # all on one side
    differences[1, : pairs // 2] = 0.0
    differences[2] = 0.0
    return differences


def scipys_p(sample: np.ndarray) -> float:
    return float(wilcoxon(sample, alternative="greater", zero_method="zsplit").pvalue)


def rank_sum(differences: np.ndarray, axis: int) -> np.ndarray:
    """Of those above 0, and half of those that are 0."""
    ranks = rankdata(np.abs(differences), axis=axis)
    total: np.ndarray = (ranks * ((differences > 0) + (differences == 0) / 2)).sum(axis)
    return total


@pytest.mark.parametrize("pairs", [2, 3, 5, 14, 50, 51, 80])
@pytest.mark.parametrize("digits", [1, 15], ids=["ties and zeros", "neither"])
def test_p_is_that_of_scipy(pairs: int, digits: int) -> None:
    """Whether it is counted over all signs, or a normal variable's."""
    differences = samples_of(pairs, digits)
    assert p_values(differences) == pytest.approx([*map(scipys_p, differences)], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("digits", [1, 15], ids=["ties and zeros", "neither"])
def test_the_most_pairs_whose_signs_are_counted_with_ties(digits: int) -> None:
    """Scipy counts the 8,192 signs of one sample after the other, and gives for one what it gives for all at once."""
    differences = samples_of(EXACT_PAIRS_WITH_TIES, digits)
    counted = permutation_test(
        (differences,), rank_sum, permutation_type="samples", alternative="greater", axis=1, vectorized=True
    )
    assert scipys_p(differences[1]) == pytest.approx(counted.pvalue[1], rel=1e-9)
    assert p_values(differences) == pytest.approx(counted.pvalue.tolist(), rel=1e-9, abs=1e-12)
