"""Survivors: which configurations of a sweep are trained with further seeds, after their first ones."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from app.domain.comparisons.paired_differences import paired_difference
from app.domain.objectives import Objective

CONFIGURATIONS_A_PLACE = 3


@dataclass(frozen=True)
class FirstResult:
    """A configuration that is complete with its first seeds."""

    trial_id: int
    value: float
    """The mean over its first seeds."""
    runs: Mapping[int, float]
    """Their values, by seed."""
    has_further_seeds: bool = False
    """Whether they have been queued."""


def places(configurations: int, *, is_final: bool) -> int:
    """How many survivors there are among so many complete configurations; `is_final`: no other one is to come."""
    return math.ceil(configurations / CONFIGURATIONS_A_PLACE) if is_final else configurations // CONFIGURATIONS_A_PLACE


def next_survivors(objective: Objective, best: Sequence[FirstResult], free_places: int) -> list[FirstResult]:
    """Which of the best configurations get the free places: the better ones first, none twice.

    `best` are as many as there are places, those that are taken included, the best first. One that is surely worse than
    the first of them, seed by seed, gets none: further seeds would only say so again.
    """
    candidates = (
        result for result in best if not result.has_further_seeds and not _is_surely_worse(objective, result, best[0])
    )
    return list(islice(candidates, free_places))


def _is_surely_worse(objective: Objective, result: FirstResult, leader: FirstResult) -> bool:
    """Whether Student's interval of the difference at equal seeds lies on the worse side as a whole."""
    if len(result.runs) < 2:  # one pair says nothing of its spread
        return False
    difference = paired_difference(result.runs, leader.runs)
    if difference is None or difference.interval is None:
        return False
    low, high = difference.interval
    return high < 0 if objective.maximize else low > 0
