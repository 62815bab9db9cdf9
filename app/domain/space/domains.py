"""What one hyperparameter may be: a constant, one of a few choices, or a number of a range."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Constant:
    value: Any


@dataclass(frozen=True)
class Choice:
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, both included. `whole` ones hold integers; `step` None is continuous unless whole."""

    low: float
    high: float
    step: float | None = None
    log: bool = False
    whole: bool = False

    @property
    def continuous(self) -> bool:
        return not self.whole and self.step is None

    @property
    def size(self) -> int:
        """Number of values; of a continuous range it means nothing."""
        return int((self.high - self.low) / (self.step or 1) + 1e-9) + 1

    def value(self, index: int) -> float:
        """A whole range's is an int; a float is rounded to what was meant, 0.3 rather than 0.30000000000000004."""
        exact = self.low + index * (self.step or 1)
        return int(exact) if self.whole else float(f"{exact:.12g}")

    @property
    def last(self) -> float:
        """The highest value: `high`, or less where the steps don't end there."""
        return self.high if self.step is None else self.value(self.size - 1)


Domain = Constant | Choice | Range


def size(domain: Domain) -> int:
    """Number of values; of a continuous range it means nothing."""
    if isinstance(domain, Range):
        return domain.size
    return len(domain.values) if isinstance(domain, Choice) else 1


def values(domain: Domain) -> list[Any]:
    """All values; of a continuous range they mean nothing."""
    if isinstance(domain, Range):
        return [domain.value(index) for index in range(domain.size)]
    return list(domain.values) if isinstance(domain, Choice) else [domain.value]


def largest(domain: Domain) -> Any:
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
