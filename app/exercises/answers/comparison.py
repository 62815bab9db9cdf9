"""Two levels compared at equal seeds: how much they differ, whether that is clear, and what would settle it."""

import math
from dataclasses import dataclass
from typing import Any

from app.domain.comparisons.paired_differences import PairedDifference, paired_difference, student_quantile
from app.domain.formatting import plural
from app.exercises.answers.levels import CONFIDENCE, Level

MAX_SEEDS = 100  # more than anybody would train


@dataclass(frozen=True)
class Comparison:
    """How much more the first level has than the second one."""

    difference: PairedDifference

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out zero."""
        interval = self.difference.interval
        return interval is not None and (interval[0] > 0 or interval[1] < 0)

    @property
    def seeds_to_settle(self) -> int | None:
        """With how many seeds a difference of this size and spread would be clear; None where no 100 would do.

        The margin is then as large as the difference, so that with this as the true one every other try shows it.
        """
        if self.difference.interval is None or self.difference.estimate == 0:
            return None
        n = self.difference.n
        margin = self.difference.interval[1] - self.difference.estimate
        std = margin * math.sqrt(n) / student_quantile(CONFIDENCE, n - 1)
        for seeds in range(n, MAX_SEEDS + 1):
            if student_quantile(CONFIDENCE, seeds - 1) * std / math.sqrt(seeds) < abs(self.difference.estimate):
                return seeds
        return None


def compare(first: Level[Any], second: Level[Any]) -> Comparison | None:
    """The two at the seeds that both were trained with; None where they share none."""
    difference = paired_difference(first.values, second.values, CONFIDENCE)
    return None if difference is None else Comparison(difference)


def points(comparison: Comparison, noun: str = "seed") -> str:
    """`0.42 percentage points more (0.10 to 0.74 with 95 % confidence, 3 seeds)`, of accuracies.

    Where the interval has zero in it: `0.42 percentage points more (between 0.11 less and 0.95 more with ...)`.
    """
    word = "more" if comparison.difference.estimate >= 0 else "less"
    return f"{_distance(comparison)} {word} ({_span(comparison, noun)})"


def points_apart(comparison: Comparison) -> str:
    """`0.42 percentage points (0.10 to 0.74 with 95 % confidence, 3 seeds)`, where a verb says which has more."""
    return f"{_distance(comparison)} ({_span(comparison, 'seed')})"


def apart(comparison: Comparison) -> str:
    """`0.42 (0.10 to 0.74)`, the same of a clear one, for lists that name the rest once."""
    low, high = sorted(100 * abs(bound) for bound in comparison.difference.interval or (0.0, 0.0))
    return f"{100 * abs(comparison.difference.estimate):.2f} ({low:.2f} to {high:.2f})"


def _distance(comparison: Comparison) -> str:
    return f"{100 * abs(comparison.difference.estimate):.2f} percentage points"


def _span(comparison: Comparison, noun: str) -> str:
    difference = comparison.difference
    if difference.interval is None:
        return f"one {noun}, so nobody knows its spread"
    is_more = difference.estimate >= 0
    low, high = sorted((1 if is_more else -1) * 100 * bound for bound in difference.interval)
    words = ("less", "more") if is_more else ("more", "less")
    span = f"{low:.2f} to {high:.2f}" if low >= 0 else f"between {-low:.2f} {words[0]} and {high:.2f} {words[1]}"
    return f"{span} with 95 % confidence, {plural(difference.n, noun)}"


def size(comparison: Comparison) -> str:
    """`0.42 (0.10 to 0.74)`: percentage points and their interval, for lists that name the rest once."""
    difference = comparison.difference
    if difference.interval is None:
        return signed(100 * difference.estimate)
    low, high = (signed(100 * bound) for bound in difference.interval)
    return f"{signed(100 * difference.estimate)} ({low} to {high})"


def signed(number: float) -> str:
    """`0.10`, `−0.12`."""
    return f"{round(number, 2) + 0.0:.2f}".replace("-", "\N{MINUS SIGN}")  # a zero has no sign


def verdict(comparison: Comparison, noun: str = "seed") -> str:
    """`clear at 3 seeds`, or `not clear at 3 seeds`, and how many more may show a true difference of this size."""
    seeds = plural(comparison.difference.n, noun)
    if comparison.is_clear:
        return f"clear at {seeds}"
    enough = comparison.seeds_to_settle
    if comparison.difference.interval is None:
        return f"not clear at {seeds}"
    if enough is None:
        return (
            f"not clear at {seeds}; were the true difference as small as this, {plural(MAX_SEEDS, noun)} would give "
            "less than an even chance of showing it"
        )
    return (
        f"not clear at {seeds}; if the true difference is this one, about {plural(enough, noun)} give at least an even "
        "chance of showing it"
    )
