"""Reads NumPy's files: .npz with examples and their classes, or .npy with both in one array; never a pickle."""

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

from app.domain.tables.limits import MAX_CELLS, MAX_FEATURES, MAX_UNPACKED_BYTES
from app.files.array_file import Array, ArrayFileError, read_array
from app.files.tables.table import Table, refusal, unzipped

ROWS_AT_ONCE = 1024

# names of the same thing, in any case of letters
EXAMPLES, CLASSES = ("x", "data", "features"), ("y", "target", "labels", "label")
TRAIN_X, TRAIN_Y = ("train_x", "x_train", "train_data", "x"), ("train_y", "y_train", "train_labels", "y")
TEST_X, TEST_Y = ("test_x", "x_test", "test_data"), ("test_y", "y_test", "test_labels")


def read_npz(path: str) -> Table:
    """The table of an .npz with `x` and `y`, or `train_x`, `train_y`, `test_x` and `test_y`. Raises InvalidError."""
    with unzipped(path, ".npz") as archive:
        members = {Path(item.filename).stem.lower(): item for item in archive.infolist()}
        unpacked = sum(item.file_size for item in archive.infolist())
        if unpacked > MAX_UNPACKED_BYTES:
            size, limit = f"{unpacked / 2**20:,.0f} MiB", f"{MAX_UNPACKED_BYTES // 2**20:,}"
            raise refusal(f"the .npz becomes {size} when unpacked: at most {limit} are read")
        x, y, test_x, test_y = (
            _member(archive, members, names) for names in (TRAIN_X + EXAMPLES, TRAIN_Y + CLASSES, TEST_X, TEST_Y)
        )
    if x is None or y is None:
        raise refusal(f"the .npz has {', '.join(members) or 'nothing'}: it needs x and y, or train_x and train_y")
    if (test_x is None) != (test_y is None):
        raise refusal("the .npz has one of test_x and test_y: it needs both, or none")
    return of_arrays(x, y, None if test_x is None or test_y is None else (test_x, test_y))


def of_arrays(x: Array, y: Array, test: tuple[Array, Array] | None) -> Table:
    """The table of examples and their classes or numbers, with a part to test on or without. Raises InvalidError."""
    if test is None:
        return _table(x, y)
    test_x, test_y = test
    if x.shape[1:] != test_x.shape[1:] or y.shape[1:] != test_y.shape[1:]:
        raise refusal(f"train_x has shape {list(x.shape)} and test_x {list(test_x.shape)}: examples must be alike")
    if len(test_x) != len(test_y):
        raise refusal(f"test_x has {len(test_x):,} examples and test_y {len(test_y):,}: they must be as many")
    return _table(np.concatenate([x, test_x]), np.concatenate([y, test_y]), len(test_x))


def read_npy(path: str) -> Table:
    """The table of an .npy, a row an example; its columns are named by their place, from 0. Raises InvalidError."""
    with Path(path).open("rb") as file:
        array = _array(file, "the .npy")
    if array.ndim != 2:
        raise refusal(
            f"the .npy has shape {list(array.shape)}: it needs a row for each example, and a column the target"
        )
    names = [str(place) for place in range(array.shape[1])]
    return Table(names, _columns(array), len(array))


def _member(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], names: Sequence[str]) -> Array | None:
    name = next((name for name in names if name in members), None)
    if name is None:
        return None
    with archive.open(members[name]) as file:
        return _array(file, name)


def _array(file: IO[bytes], name: str) -> Array:
    try:
        return _native(read_array(file, MAX_CELLS))
    except ArrayFileError as error:
        raise refusal(f"{name} {error}") from None


def _native(array: Array) -> Array:
    """With numbers as pyarrow takes them: in this machine's order of bytes, and of four or eight bytes."""
    if array.dtype.kind == "f" and array.dtype.itemsize not in {4, 8}:
        return array.astype(np.float64)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _table(x: Array, y: Array, test_rows: int = 0) -> Table:
    if x.ndim < 2 or len(x) != len(y) or y.size != len(y):
        raise refusal(
            f"arrays x and y have the shapes {list(x.shape)} and {list(y.shape)}: each example needs a row of x and "
            "one value of y"
        )
    features = math.prod(x.shape[1:])
    if not 1 <= features <= MAX_FEATURES:
        raise refusal(f"x has {features:,} features: at most {MAX_FEATURES:,}")
    columns = _columns(x.reshape(len(x), features))
    names = [f"x{place}" for place in range(features)]
    white = 255.0 if x.dtype == np.uint8 else None
    return Table([*names, "y"], [*columns, _column(y.reshape(len(y)))], len(x), (), test_rows, white)


def _columns(rows: Array) -> list[pa.Array]:
    """The columns of an array, from some rows at a time: column by column each row would be fetched very often."""
    columns = np.empty((rows.shape[1], len(rows)), rows.dtype)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        columns[:, start : start + ROWS_AT_ONCE] = rows[start : start + ROWS_AT_ONCE].T
    return [_column(column) for column in columns]


def _column(values: Array) -> pa.Array:
    try:
        return pa.array(values)
    except ValueError:  # which pyarrow's own is too
        raise refusal("a text of it is none in Unicode") from None
