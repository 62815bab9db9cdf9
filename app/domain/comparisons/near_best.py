"""Which configurations lie within the noise of the best one: their differences at equal seeds may be none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.domain.comparisons.paired_differences import paired_difference

RunValues = Mapping[int, float]
"""The values of a configuration's runs, by seed."""


@dataclass(frozen=True)
class NearBest:
    """What the differences of other configurations to the best one say; each is named by its number."""

    within: Sequence[int]
    """Those whose interval of the difference holds 0."""
    apart: Sequence[int]
    """Those whose interval does not."""
    unknown: Sequence[int]
    """Those that share fewer than two seeds with the best, which says nothing of the spread."""

    @property
    def compared(self) -> int:
        """How many could be compared."""
        return len(self.within) + len(self.apart)


def near_best(best: RunValues, rivals: Mapping[int, RunValues]) -> NearBest:
    """Compares each of the rivals with the best one, by Student's interval of the paired difference (95 %)."""
    within, apart, unknown = [], [], []
    for number, runs in rivals.items():
        difference = paired_difference(best, runs)
        if difference is None or difference.interval is None:
            unknown.append(number)
        elif difference.interval[0] <= 0 <= difference.interval[1]:
            within.append(number)
        else:
            apart.append(number)
    return NearBest(within, apart, unknown)
