"""The Pareto front: what no other beats in every objective. Pure."""

from collections.abc import Sequence


def front(values: Sequence[Sequence[float]], maximize: Sequence[bool]) -> list[int]:
    """Indices of the points that no other dominates, in their order.

    `values`: a point's value for each objective; `maximize`: whether more of it is better. One dominates another that
    is at least as good in every objective and better in one; so equal ones are on the front together.
    """
    costs = [[-value if more else value for value, more in zip(point, maximize, strict=True)] for point in values]
    found: list[int] = []
    # who is dominated is so by one that comes before, and among those by one on the front
    for index in sorted(range(len(costs)), key=lambda index: costs[index]):
        mine = costs[index]
        if not any(_dominates(costs[other], mine) for other in found):
            found.append(index)
    return sorted(found)


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    return one != other and all(mine <= theirs for mine, theirs in zip(one, other, strict=True))
