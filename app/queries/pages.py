"""Pages of lists: how many items of any size one has room for."""

from collections.abc import Iterable
from itertools import accumulate

MAX_CHARACTERS = 4_000_000  # of the setups of sweeps on a page, whatever its limit: several ask for pages at once


def count_within(sizes: Iterable[int], room: int) -> int:
    """How many of the first have no more than so much together, and one at least."""
    return sum(total <= room for total in accumulate(sizes)) or 1
