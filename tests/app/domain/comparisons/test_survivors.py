"""Which configurations get further seeds."""

from collections.abc import Sequence
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.comparisons.survivors import FirstResult, next_survivors, places
from app.domain.objectives import Objective

ACCURACY, LOSS = Objective("val_accuracy"), Objective("val_loss", maximize=False)


def result(trial_id: int, *values: float, has_further_seeds: bool = False) -> FirstResult:
    return FirstResult(trial_id, sum(values) / len(values), dict(enumerate(values)), has_further_seeds)


def ids(objective: Objective, best: Sequence[FirstResult], free_places: int) -> list[int]:
    return [survivor.trial_id for survivor in next_survivors(objective, best, free_places)]


def test_there_is_a_place_for_each_three() -> None:
    """While others are to come three must be complete for a place; in the end one of them is enough."""
    assert [places(count, is_final=False) for count in range(8)] == [0, 0, 0, 1, 1, 1, 2, 2]
    assert [places(count, is_final=True) for count in range(8)] == [0, 1, 1, 1, 2, 2, 2, 3]


def test_the_better_ones_come_first_and_none_twice() -> None:
    """As many as there are free places."""
    best = [result(1, 0.9), result(2, 0.8, has_further_seeds=True), result(3, 0.7), result(4, 0.6)]
    assert ids(ACCURACY, best, 2) == [1, 3]
    assert ids(ACCURACY, best, 9) == [1, 3, 4]
    assert ids(ACCURACY, best[1:2], 1) == []


@pytest.mark.parametrize("objective", [ACCURACY, LOSS])
def test_what_is_surely_worse_seed_by_seed_gets_none(objective: Objective) -> None:
    """Means that lie apart are not enough: it is the difference at each seed that counts."""
    sign = 1 if objective.maximize else -1
    leader = result(1, *(sign * value for value in (0.9, 0.5, 0.7)))
    worse_at_each_seed = result(2, *(sign * value for value in (0.85, 0.44, 0.64)))
    worse_at_one_seed = result(3, *(sign * value for value in (0.9, 0.5, 0.5)))
    assert ids(objective, [leader, worse_at_each_seed, worse_at_one_seed], 3) == [1, 3]


def test_no_more_are_compared_than_there_are_places() -> None:
    """Of a thousand good ones that is most of the work."""

    class Unread(dict[int, float]):
        def keys(self) -> NoReturn:
            raise AssertionError("nobody needs to know")

    best = [result(1, 0.9, 0.8), result(2, 0.9, 0.8), FirstResult(3, 0.8, Unread({0: 0.8, 1: 0.8}))]
    assert ids(ACCURACY, best, 2) == [1, 2]


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=40, unique=True), st.integers(1, 7))
def test_the_best_survives_whenever_it_ends(values: list[int], at_once: int) -> None:
    """However many end together; and there are never more survivors than places."""
    survivor_ids: set[int] = set()
    for end in [*range(at_once, len(values), at_once), len(values)]:
        ranked_ids = sorted(range(end), key=lambda trial_id: -values[trial_id])
        count = places(end, is_final=end == len(values))
        best = [result(i, values[i], has_further_seeds=i in survivor_ids) for i in ranked_ids[:count]]
        survivor_ids.update(ids(ACCURACY, best, count - len(survivor_ids)))
        assert len(survivor_ids) <= count
    assert values.index(max(values)) in survivor_ids
    assert len(survivor_ids) <= places(len(values), is_final=True)
