"""The signed-rank test of many samples at once is scipy's of each by itself."""

import numpy as np
import pytest
from scipy.stats import wilcoxon  # type: ignore[import-untyped]

from app.domain.pruning.signed_rank import p_values


@pytest.mark.parametrize("pairs", [2, 3, 5, 13, 14, 50, 51, 80])
@pytest.mark.parametrize("digits", [1, 15], ids=["ties and zeros", "neither"])
def test_p_is_that_of_scipy(pairs: int, digits: int) -> None:
    """Whether it is counted over all signs, or a normal variable's."""
    draw = np.random.default_rng(pairs + digits)
    differences = (draw.normal(0.1, 0.4, (8, pairs))).round(digits)
    differences[0] = np.abs(differences[0]) + 0.1  # all on one side
    differences[1, : pairs // 2] = 0.0
    differences[2] = 0.0
    expected = [wilcoxon(sample, alternative="greater", zero_method="zsplit").pvalue for sample in differences]
    assert p_values(differences) == pytest.approx(expected, rel=1e-9, abs=1e-12)
