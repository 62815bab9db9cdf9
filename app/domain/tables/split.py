"""The split of a table's rows: some to test with, some held out to validate with, and the others to train on."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]


class RowSplit(NamedTuple):
    """Places of rows, from 0, in the order of the table."""

    train: Places
    held_out: Places
    test: Places


def split_rows(labels: Places, test_share: float, held_out_share: float, seed: int, *, stratified: bool) -> RowSplit:
    """A split that is the same on every machine. `labels`: of each row, its class.

    `test_share` is of all rows, `held_out_share` of those that are left. Stratified, each class is split in these
    shares, and has at least one row in each part; else all rows are split as if they were of one class.
    """
    keys = np.random.PCG64(seed).random_raw(len(labels))
    order = np.argsort(keys, kind="stable")
    held_out, test = [], []
    for label in np.unique(labels) if stratified else [None]:
        places = order if label is None else order[labels[order] == label]
        n_test = _count(test_share, len(places))
        n_held_out = _count(held_out_share, len(places) - n_test)
        test.append(places[:n_test])
        held_out.append(places[n_test : n_test + n_held_out])
    split_off = np.concatenate([*test, *held_out])
    train = np.setdiff1d(order, split_off)
    return RowSplit(train, np.sort(np.concatenate(held_out)), np.sort(np.concatenate(test)))


def _count(share: float, of: int) -> int:
    return max(1, round(share * of)) if share else 0
