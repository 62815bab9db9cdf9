"""Two levels of speeds or times divided: how many times as much the first one has, and how sure that is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import Any

from app.domain.comparisons.paired_differences import student_quantile
from app.domain.formatting import plural
from app.exercises.answers.finding import Interval
from app.exercises.answers.levels import CONFIDENCE, Level


@dataclass(frozen=True)
class Ratio:
    """The geometric mean of the first values over that of the second ones."""

    estimate: float
    interval: Interval | None
    """Of 95 % confidence, by Welch's test of the logarithms; None where one side has a single value."""
    n: int
    """Values of the side that has fewer."""
    variance: float = 0.0
    """Of the estimate's logarithm."""
    disturbed: bool = False
    """Whether other programs took so much of the processor that repeats, which follow each other, don't show it all."""

    @property
    def leaves_out_1(self) -> bool:
        """Whether the interval leaves out 1, disturbed or not."""
        return self.interval is not None and (self.interval[0] > 1 or self.interval[1] < 1)

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out 1, of undisturbed values."""
        return not self.disturbed and self.leaves_out_1


def ratio(first: Level[Any], second: Level[Any]) -> Ratio | None:
    """The ratio of two levels, whose repeats have nothing in common; None where one has no values."""
    return ratio_of(list(first.values.values()), list(second.values.values()))


def ratio_of(first: Sequence[float], second: Sequence[float]) -> Ratio | None:
    """The ratio of positive values that have nothing in common; None where there are none."""
    if not first or not second:
        return None
    logs = [[math.log(value) for value in values] for values in (first, second)]
    difference, n = fmean(logs[0]) - fmean(logs[1]), min(map(len, logs))
    if n < 2:
        return Ratio(math.exp(difference), None, n)
    parts = [variance(values) / len(values) for values in logs]
    total = sum(parts)
    squares = sum(part**2 / (len(values) - 1) for part, values in zip(parts, logs, strict=True))
    degrees = max(int(total**2 / squares), 1) if squares else n - 1
    return Ratio(math.exp(difference), _interval(difference, total, degrees), n, total)


def quotient(first: Ratio, second: Ratio) -> Ratio:
    """How many times as large the first ratio is as the second, which have no values in common."""
    n, difference = min(first.n, second.n), math.log(first.estimate / second.estimate)
    disturbed = first.disturbed or second.disturbed
    if first.interval is None or second.interval is None:
        return Ratio(math.exp(difference), None, n, disturbed=disturbed)
    total = first.variance + second.variance
    return Ratio(math.exp(difference), _interval(difference, total, n - 1), n, total, disturbed)


def _interval(difference: float, total: float, degrees: int) -> Interval:
    margin = student_quantile(CONFIDENCE, degrees) * math.sqrt(total)
    return (math.exp(difference - margin), math.exp(difference + margin))


def times(value: Ratio, noun: str = "repeat", counted: str = "") -> str:
    """`1.34 times (1.20 to 1.50 with 95 % confidence, 5 repeats)`; `counted` is what it rests on in other words."""
    decimals = _decimals(value.estimate)
    size, counted = f"{value.estimate:,.{decimals}f} times", counted or plural(value.n, noun)
    if value.interval is None:
        return f"{size} ({counted}, so nobody knows its spread)"
    low, high = (f"{bound:,.{decimals}f}" for bound in value.interval)
    return f"{size} ({low} to {high} with 95 % confidence, {counted})"


def ratio_verdict(value: Ratio, noun: str = "repeat", counted: str = "") -> str:
    """`clear at 5 repeats`, and of a disturbed one why it is not settled."""
    text = brief_verdict(value, noun, counted)
    if not value.disturbed:
        return text
    reason = "the interval leaves out 1, but" if value.leaves_out_1 else "and"
    return f"{text} ({reason} other programs had much of the processor)"


def brief_verdict(value: Ratio, noun: str = "repeat", counted: str = "") -> str:
    """`clear at 5 repeats`, or `not clear at 5 repeats`; `not settled` where it looks clear and was disturbed."""
    if value.disturbed and value.leaves_out_1:
        return "not settled"
    return f"{'clear' if value.is_clear else 'not clear'} at {counted or plural(value.n, noun)}"


def _decimals(estimate: float) -> int:
    """Those that show three digits of it, and of a number near 1 what it is beyond that."""
    if 0.9 < estimate < 1.1:
        return 3
    return 2 if estimate < 10 else 1 if estimate < 100 else 0
