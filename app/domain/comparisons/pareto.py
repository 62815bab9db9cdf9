"""The Pareto front: the points that no other beats in every objective."""

from collections.abc import Iterator, Sequence


def front(values: Sequence[Sequence[float]], maximize: Sequence[bool]) -> list[int]:
    """Indices of the points that no other dominates, in their order.

    `values`: a point's value for each objective; `maximize`: whether more of it is better. One dominates another that
    is at least as good in every objective and better in one; so equal ones are on the front together.
    """
    costs = [[-value if larger else value for value, larger in zip(point, maximize, strict=True)] for point in values]
    best: list[int] = []
    # what is dominated at all is dominated by a point that comes before it, and by one on the front
    for index in sorted(range(len(costs)), key=lambda index: costs[index]):
        if not any(_dominates(costs[rival], costs[index]) for rival in best):
            best.append(index)
    return sorted(best)


def fronts(values: Sequence[Sequence[float]], maximize: Sequence[bool]) -> Iterator[list[int]]:
    """Indices of the points on the front, then those on the front of all other points, and so on."""
    rest = list(range(len(values)))
    while rest:
        indices = [rest[index] for index in front([values[index] for index in rest], maximize)]
        yield indices
        rest = sorted(set(rest) - set(indices))


def _dominates(costs: Sequence[float], rival_costs: Sequence[float]) -> bool:
    return costs != rival_costs and all(cost <= rival for cost, rival in zip(costs, rival_costs, strict=True))
