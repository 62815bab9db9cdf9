"""Data as a file that the server takes: a path as it is, a frame as Parquet or CSV, arrays as .npz."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCIKIT_LEARN = "sklearn:"  # before the name of a table that scikit-learn brings along
TABLES = ("breast_cancer", "iris", "wine")
HASH_LENGTH = 12  # of the name of data that have none, so that the same data have the same name


@dataclass(frozen=True)
class DataFile:
    """A file to post, and what a data set made of it is called where nobody says."""

    content: bytes
    source: str
    """Its name, to be shown."""
    name: str


def file_of(data: Any) -> DataFile:
    """The file of a path, a frame of pandas or polars, a pair of arrays `(x, y)`, or arrays by their names.

    `sklearn:iris`, `sklearn:wine` and `sklearn:breast_cancer` are the tables that scikit-learn brings along. Raises
    ValueError for another one, OSError for a path that can't be read, and TypeError for what is no data.
    """
    if isinstance(data, str) and data.startswith(SCIKIT_LEARN):
        return _bundled_file(data.removeprefix(SCIKIT_LEARN))
    if isinstance(data, str | os.PathLike):
        path = Path(data)
        return DataFile(path.read_bytes(), path.name, _name_of(path.name))
    if hasattr(data, "to_csv") and hasattr(data, "columns"):
        return _hashed(_pandas_file(data), "frame")
    if hasattr(data, "write_parquet"):
        buffer = io.BytesIO()
        data.write_parquet(buffer)
        return _hashed(buffer.getvalue(), "frame")
    if isinstance(data, tuple) and len(data) == 2:
        data = {"x": data[0], "y": data[1]}
    if isinstance(data, Mapping):
        return _arrays_file(data)
    raise TypeError(
        f"A data set is the name of one, a path, a frame of pandas or polars, (x, y), or a mapping of arrays; "
        f"not a {type(data).__name__}"
    )


def _bundled_file(name: str) -> DataFile:
    """A table of scikit-learn as CSV; its target is called `target`, and has the names of the classes."""
    if name not in TABLES:
        raise ValueError(f"There is no table {SCIKIT_LEARN}{name}; there are {', '.join(TABLES)}")
    try:
        from sklearn import datasets  # type: ignore[import-untyped,unused-ignore]
    except ModuleNotFoundError:
        raise ValueError(f"{SCIKIT_LEARN}{name} is in scikit-learn: pip install scikit-learn") from None
    table, text = getattr(datasets, f"load_{name}")(), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*table.feature_names, "target"])
    rows = zip(table.data.tolist(), table.target.tolist(), strict=True)
    writer.writerows([*row, table.target_names[place]] for row, place in rows)
    return DataFile(text.getvalue().encode(), f"{SCIKIT_LEARN}{name}", name)


def _pandas_file(frame: Any) -> bytes:
    try:
        import pyarrow  # type: ignore[import-not-found,unused-ignore]  # noqa: F401
    except ModuleNotFoundError:
        return bytes(frame.to_csv(index=False).encode())
    return bytes(frame.to_parquet(index=False))


def _arrays_file(arrays: Mapping[str, Any]) -> DataFile:
    import numpy

    digest, buffer = hashlib.sha256(), io.BytesIO()
    plain_arrays = {name: numpy.asarray(array) for name, array in arrays.items()}
    for name, array in plain_arrays.items():  # the file itself has the time in it
        digest.update(f"{name} {array.dtype} {array.shape} ".encode() + numpy.ascontiguousarray(array).tobytes())
    numpy.savez_compressed(buffer, allow_pickle=False, **plain_arrays)
    return DataFile(buffer.getvalue(), "arrays", f"data_{digest.hexdigest()[:HASH_LENGTH]}")


def _hashed(content: bytes, source: str) -> DataFile:
    return DataFile(content, source, f"data_{hashlib.sha256(content).hexdigest()[:HASH_LENGTH]}")


def _name_of(file_name: str) -> str:
    """`iris` for `Iris.csv.gz`."""
    stem = file_name.split(".")[0].lower()
    name = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in stem).strip("_")
    return (name if name[:1].isalpha() else f"data_{name}".rstrip("_"))[:60]
