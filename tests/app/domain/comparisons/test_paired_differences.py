"""Differences at equal seeds: what scipy says of the same pairs, and what too few of them say."""

import random

import pytest
from scipy import stats  # type: ignore[import-untyped]

from app.domain.comparisons.paired_differences import paired_difference, student_quantile


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 10, 29, 100, 999])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
def test_student_s_quantiles_are_those_of_scipy(degrees: int, confidence: float) -> None:
    """For odd and even degrees of freedom, few and many."""
    expected = stats.t.ppf((1 + confidence) / 2, degrees)
    assert student_quantile(confidence, degrees) == pytest.approx(expected, rel=1e-9)


def test_a_difference_is_that_of_the_paired_t_test() -> None:
    """Over the seeds that both have, whatever else either was trained with."""
    draw = random.Random(1)
    of_seeds = [draw.gauss(0, 0.01) for _ in range(12)]
    first = {seed: 0.9 + of_seeds[seed] + draw.gauss(0, 0.002) for seed in range(10)}
    second = {seed: 0.89 + of_seeds[seed] + draw.gauss(0, 0.002) for seed in range(2, 12)}
    pairs = [(first[seed], second[seed]) for seed in range(2, 10)]
    test = stats.ttest_rel(*zip(*pairs, strict=True))
    difference = paired_difference(first, second)
    assert difference is not None
    assert difference.n == 8
    assert difference.interval == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert difference.estimate == pytest.approx(sum(difference.interval or ()) / 2)
    assert difference.correlation == pytest.approx(stats.pearsonr(*zip(*pairs, strict=True)).statistic)


def test_equal_seeds_make_a_difference_ten_times_surer() -> None:
    """Where values are correlated by 0.9 over the seeds, the variance of a difference is a tenth of unpaired ones."""
    draw = random.Random(2)
    paired_squares = unpaired_squares = 0.0
    for _ in range(200):
        of_seeds = [draw.gauss(0, 0.9**0.5) for _ in range(20)]
        first, second = ({seed: of_seeds[seed] + draw.gauss(0, 0.1**0.5) for seed in range(20)} for _ in range(2))
        moved = {seed: first[(seed + 1) % 20] for seed in range(20)}
        paired, unpaired = paired_difference(first, second), paired_difference(moved, second)
        assert paired is not None
        assert unpaired is not None
        paired_squares += _width(paired.interval) ** 2
        unpaired_squares += _width(unpaired.interval) ** 2
    assert paired_squares / unpaired_squares == pytest.approx(0.1, abs=0.02)


def test_too_few_pairs_say_what_they_can() -> None:
    """No pair nothing, one pair a difference, two an interval, three a correlation but for constant values."""
    assert paired_difference({0: 0.5}, {1: 0.4}) is None
    lone = paired_difference({0: 0.5}, {0: 0.25, 1: 0.4})
    assert lone is not None
    assert (lone.estimate, lone.interval, lone.n, lone.correlation) == (0.25, None, 1, None)
    two = paired_difference({0: 0.5, 1: 0.75}, {0: 0.25, 1: 0.5})
    assert two is not None
    assert (two.interval, two.correlation) == ((0.25, 0.25), None)
    constant = paired_difference({0: 1.0, 1: 1.0, 2: 1.0}, {0: 0.5, 1: 0.25, 2: 0.75})
    assert constant is not None
    assert (constant.n, constant.correlation) == (3, None)


def _width(interval: tuple[float, float] | None) -> float:
    assert interval is not None
    return interval[1] - interval[0]
