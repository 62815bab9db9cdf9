"""Two configurations compared by their runs at equal seeds: the mean difference, and how sure it is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from statistics import StatisticsError, correlation, fmean, stdev


@dataclass(frozen=True)
class PairedDifference:
    """How much more the first configuration has than the second one, over the seeds that both were trained with.

    Runs of equal seeds share the order of the examples and much else, so what a seed does to both falls away: the more
    the values are correlated, the narrower is the interval.
    """

    estimate: float
    """The mean of the differences."""
    interval: tuple[float, float] | None
    """Student's confidence interval of the mean; None for one pair, which says nothing of its spread."""
    n: int
    """Pairs: seeds that both have."""
    correlation: float | None
    """Of the values over the seeds; None for fewer than three pairs, and where one side's are all equal."""


def paired_difference(
    first: Mapping[int, float], second: Mapping[int, float], confidence: float = 0.95
) -> PairedDifference | None:
    """The difference of two configurations' values, which are given by seed; None where they share no seed."""
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return None
    pairs = [(first[seed], second[seed]) for seed in seeds]
    differences = [value - second_value for value, second_value in pairs]
    estimate, interval = fmean(differences), None
    if len(pairs) > 1:
        margin = student_quantile(confidence, len(pairs) - 1) * stdev(differences) / math.sqrt(len(pairs))
        interval = (estimate - margin, estimate + margin)
    return PairedDifference(estimate, interval, len(pairs), _correlation(pairs))


@lru_cache(maxsize=1024)
def student_quantile(confidence: float, degrees: int) -> float:
    """The t within which a variable of Student's distribution lies, on either side of 0, with this probability."""
    low, high = 0.0, 1.0
    while student_probability(high, degrees) < confidence:
        low, high = high, 2 * high
    while (middle := (low + high) / 2) not in {low, high}:
        low, high = (middle, high) if student_probability(middle, degrees) < confidence else (low, middle)
    return high


def student_probability(t: float, degrees: int) -> float:
    """The probability that a variable of Student's distribution lies between -t and t.

    Abramowitz and Stegun 26.7.3 and 26.7.4: a finite sum for whole degrees of freedom.
    """
    angle = math.atan(t / math.sqrt(degrees))
    odd = degrees % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for power in range(2 + odd, degrees + 1, 2):
        total += term
        term *= (power - 1) / power * math.cos(angle) ** 2
    return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total


def _correlation(pairs: list[tuple[float, float]]) -> float | None:
    if len(pairs) < 3:
        return None
    try:
        return correlation(*zip(*pairs, strict=True))
    except StatisticsError:  # one side is constant
        return None
