"""The split of a table's rows: some to test with, some held out to validate with, and the others to train on."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]


class RowSplit(NamedTuple):
    """Places of rows, from 0, in the order of the table."""

    train: Places
    held_out: Places
    test: Places


def split_classes(codes: Places, test_share: float, held_out_share: float, seed: int, *, stratified: bool) -> RowSplit:
    """A split that is the same on every machine. `codes`: of each row, its class.

    `test_share` is of all rows, `held_out_share` of those that are left. Stratified, each class is split in these
    shares, and has at least one row in each part; else all rows are split as if they were of one class.
    """
    order = shuffled(len(codes), seed)
    held_out, test = [], []
    for label in np.unique(codes) if stratified else [None]:
        places = order if label is None else order[codes[order] == label]
        n_test = _count(test_share, len(places))
        n_held_out = _count(held_out_share, len(places) - n_test)
        test.append(places[:n_test])
        held_out.append(places[n_test : n_test + n_held_out])
    return _split(order, np.concatenate(held_out), np.concatenate(test))


def split_numbers(
    numbers: NDArray[np.float64], test_share: float, held_out_share: float, seed: int, *, stratified: bool
) -> RowSplit:
    """The same by a number of each row: stratified, each part is spread over all sizes of it."""
    if not stratified:
        codes = np.zeros(len(numbers), np.int64)
        return split_classes(codes, test_share, held_out_share, seed, stratified=False)
    test, remaining = spread(numbers, _count(test_share, len(numbers)), seed)
    places, _ = spread(numbers[remaining], _count(held_out_share, len(remaining)), seed)
    return _split(np.arange(len(numbers)), remaining[places], test)


def split_groups(groups: Places, test_share: float, held_out_share: float, seed: int) -> RowSplit:
    """The same by groups of rows, which stay together. `groups`: of each row, its group's number; three at least.

    Parts are as near to their shares as whole groups in their shuffled order are, and have at least one group each.
    """
    sizes = np.bincount(groups)
    order = shuffled(len(sizes), seed)
    n_test = _first_groups(sizes[order[:-2]], test_share * len(groups))
    remaining = order[n_test:]
    n_held_out = _first_groups(sizes[remaining[:-1]], held_out_share * sizes[remaining].sum())
    test, held_out = (np.flatnonzero(np.isin(groups, part)) for part in (order[:n_test], remaining[:n_held_out]))
    return _split(np.arange(len(groups)), held_out, test)


def _first_groups(sizes: Places, rows: float) -> int:
    """How many of the first groups come nearest to so many rows together; one at least."""
    return int(np.argmin(np.abs(np.cumsum(sizes) - rows))) + 1


def spread(
    targets: NDArray[Any],  # [n] numbers
    count: int,
    seed: int,
) -> tuple[Places, Places]:
    """So many places that are set aside, and the others, both ascending: one of each few neighbours by their targets.

    Where the examples are few, places that are set aside without regard to the targets may be all the easy ones, or
    all the hard ones.
    """
    if not count:
        return np.empty(0, np.int64), np.arange(len(targets))
    by_target = np.argsort(targets, kind="stable")
    luck = np.argsort(shuffled(len(targets), seed))  # the place of each in a shuffled order
    places = [group[np.argmin(luck[group])] for group in np.array_split(np.arange(len(targets)), count)]
    return np.sort(by_target[places]), np.sort(np.delete(by_target, places))


def shuffled(n: int, seed: int) -> Places:
    """0..n-1 in an order that is the same on every machine and with every version.

    numpy guarantees the raw stream of PCG64 for a seed, but not that of `Generator.permutation`.
    """
    return np.argsort(np.random.PCG64(seed).random_raw(n), kind="stable").astype(np.int64)


def _split(places: Places, held_out: Places, test: Places) -> RowSplit:
    train = np.setdiff1d(places, np.concatenate([test, held_out]))
    return RowSplit(train, np.sort(held_out), np.sort(test))


def _count(share: float, of: int) -> int:
    return min(of, max(1, round(share * of))) if share else 0
