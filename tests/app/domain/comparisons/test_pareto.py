"""The Pareto front against its definition."""

import random

import pytest

from app.domain.comparisons.pareto import front, fronts


def dominated(one: tuple[float, ...], other: tuple[float, ...], maximize: list[bool]) -> bool:
    """Whether the other is as good in everything and better in something."""
    pairs = [(a, b) if more else (-a, -b) for a, b, more in zip(one, other, maximize, strict=True)]
    return all(b >= a for a, b in pairs) and any(b > a for a, b in pairs)


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_the_front_is_what_nobody_dominates(objectives: int) -> None:
    """On points with many ties, in every mixture of directions."""
    draw = random.Random(objectives)
    for _ in range(50):
        points = [tuple(float(draw.randint(0, 6)) for _ in range(objectives)) for _ in range(40)]
        maximize = [draw.random() < 0.5 for _ in range(objectives)]
        by_definition = [
            index
            for index, point in enumerate(points)
            if not any(dominated(point, other, maximize) for other in points)
        ]
        assert front(points, maximize) == by_definition


def test_no_points_have_no_front() -> None:
    """And one point is its own."""
    assert front([], [True, False]) == []
    assert front([(1.0, 2.0)], [True, False]) == [0]


def test_fronts_are_peeled_off_one_by_one() -> None:
    """Each is the front of the points that none before it has, and together they are all points."""
    draw = random.Random(7)
    points = [(float(draw.randint(0, 9)), float(draw.randint(0, 9))) for _ in range(60)]
    maximize = [True, False]
    rest = set(range(60))
    for indices in fronts(points, maximize):
        assert indices == [
            index for index in sorted(rest) if not any(dominated(points[index], points[i], maximize) for i in rest)
        ]
        rest -= set(indices)
    assert rest == set()
