"""The domain of one hyperparameter: a constant, a few choices, or a range of numbers."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Constant:
    """Always the same value."""

    value: Any


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, both included."""

    low: float
    high: float
    step: float | None = None  # None: every number between, or every whole one
    log: bool = False  # whether it is drawn from, and shown, by its logarithm
    whole: bool = False  # whether it holds integers

    @property
    def continuous(self) -> bool:
        """Whether it holds more numbers than can be counted."""
        return not self.whole and self.step is None

    @property
    def size(self) -> int:
        """Number of values, which of a continuous range means nothing."""
        return int((self.high - self.low) / (self.step or 1) + 1e-9) + 1

    def value(self, index: int) -> float:
        """The value at this index, an int in whole ranges.

        A float is rounded to what was meant: 0.3 rather than 0.30000000000000004.
        """
        exact = self.low + index * (self.step or 1)
        return int(exact) if self.whole else float(f"{exact:.12g}")

    def nearest(self, number: float) -> float:
        """The value that is meant by a number which is one of them but for rounding; in a continuous range itself."""
        return number if self.continuous else self.value(round((number - self.low) / (self.step or 1)))

    @property
    def last(self) -> float:
        """The highest value: `high`, or less where the steps don't end there."""
        return self.high if self.step is None else self.value(self.size - 1)


Domain = Constant | Choice | Range


def size(domain: Domain) -> int:
    """Number of values, which of a continuous range means nothing."""
    if isinstance(domain, Range):
        return domain.size
    return len(domain.values) if isinstance(domain, Choice) else 1


def values(domain: Domain) -> list[Any]:
    """All values, which of a continuous range mean nothing."""
    if isinstance(domain, Range):
        return [domain.value(index) for index in range(domain.size)]
    return list(domain.values) if isinstance(domain, Choice) else [domain.value]


def largest(domain: Domain) -> Any:
    """The largest value."""
    if isinstance(domain, Range):
        return domain.last
    if isinstance(domain, Constant):
        return domain.value
    return max(domain.values)


def takes(domain: Domain, value: Any) -> bool:
    """Whether the value, of the right kind, is one of a domain that is not continuous."""
    if isinstance(domain, Range):
        index = (value - domain.low) / (domain.step or 1)
        return domain.low <= value <= domain.last and math.isclose(index, round(index), abs_tol=1e-9)
    return value in values(domain)
