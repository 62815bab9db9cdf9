"""Ratios of times and speeds: how sure they are."""

import math
from dataclasses import replace

import pytest

from app.exercises.answers.levels import Level
from app.exercises.answers.ratios import quotient, ratio, ratio_of, ratio_verdict, times


def level(*values: float) -> Level[str]:
    return Level("", dict(enumerate(values)))


def test_a_ratio_is_that_of_geometric_means_with_welch_s_interval() -> None:
    """Logarithms 0, 1, 2 against -1, 0, 1: e times, and 1 ± 2.776 · √(1/3 + 1/3) of the logarithm, at 4 degrees."""
    value = ratio(level(1, math.e, math.e**2), level(1 / math.e, 1, math.e))
    assert value is not None
    assert value.estimate == pytest.approx(math.e)
    margin = 2.776445 * math.sqrt(2 / 3)
    assert value.interval == pytest.approx((math.exp(1 - margin), math.exp(1 + margin)), rel=1e-4)
    assert (value.n, value.is_clear) == (3, False)
    assert ratio_verdict(value) == "not clear at 3 repeats"


def test_a_clear_ratio_leaves_out_1() -> None:
    """On either side; Welch has 2.9 degrees of freedom here, of which 2 count: t = 4.303."""
    twice, half = ratio_of([2.0, 2.1, 1.9], [1.0, 1.1, 0.9]), ratio_of([1.0, 1.1, 0.9], [2.0, 2.1, 1.9])
    assert twice is not None
    assert half is not None
    assert twice.is_clear
    assert half.is_clear
    assert times(twice).startswith("2.01 times (1.52 to 2.65 with 95 % confidence, 3 repeats)")
    assert ratio_verdict(half, "size") == "clear at 3 sizes"


def test_what_others_disturbed_is_said_so_beside_each_ratio() -> None:
    """With 1 in its interval it is not clear; an interval without 1 looks clear, so it is called not settled."""
    wide, narrow = ratio_of([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]), ratio_of([2.0, 2.1, 1.9], [1.0, 1.1, 0.9])
    assert wide is not None
    assert narrow is not None
    verdicts = [ratio_verdict(replace(value, disturbed=True)) for value in (wide, narrow)]
    assert verdicts == [
        "not clear at 3 repeats (and other programs had much of the processor)",
        "not settled (the interval leaves out 1, but other programs had much of the processor)",
    ]


def test_one_value_says_nothing_of_the_spread() -> None:
    """The ratio is there, and it is not clear."""
    value = ratio_of([2.0], [1.0, 1.0])
    assert value is not None
    assert value.interval is None
    assert not value.is_clear
    assert times(value) == "2.00 times (1 repeat, so nobody knows its spread)"
    assert ratio_of([], [1.0]) is None


def test_equal_values_have_no_spread() -> None:
    """The interval is a point."""
    value = ratio_of([2.0, 2.0], [1.0, 1.0])
    assert value is not None
    assert value.interval == pytest.approx((2.0, 2.0))
    assert value.is_clear


def test_a_quotient_is_as_unsure_as_both_ratios_together() -> None:
    """Its logarithm has the sum of their variances."""
    first, second = ratio_of([4.0, 4.4, 3.6], [1.0, 1.1, 0.9]), ratio_of([2.0, 2.2, 1.8], [1.0, 1.1, 0.9])
    assert first is not None
    assert second is not None
    both = quotient(first, second)
    assert both.estimate == pytest.approx(first.estimate / second.estimate)
    assert both.variance == pytest.approx(first.variance + second.variance)
    assert both.interval is not None
    assert both.interval[0] < 2 < both.interval[1]
    assert quotient(ratio_of([1.0], [1.0]) or first, second).interval is None
