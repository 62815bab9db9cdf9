"""Data as a file that the server takes: a path as it is, a frame as Parquet or CSV, arrays as .npz."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perceptune.published import PREFIXES, csv_of, named_targets, published_file, zipped

HASH_LENGTH = 12  # of the name of data that have none, so that the same data have the same name


@dataclass(frozen=True)
class DataFile:
    """A file to post, and what a data set made of it is called where nobody says."""

    content: bytes | Path
    """What is in it, or where it lies."""
    source: str
    """Its name, to be shown."""
    name: str


def file_of(data: Any) -> DataFile:
    """The file of a path, a frame of pandas or polars, a pair of arrays `(x, y)`, or arrays by their names, also as
    scikit-learn's loaders give them.

    A folder is one with the IDX files of MNIST or a relative of it. `sklearn:wine`, `download:mnist` and their like
    are what others publish. Raises ValueError for one that there is not, DownloadError for one that can't be had,
    OSError for a path that can't be read, and TypeError for what is no data.
    """
    if isinstance(data, DataFile):
        return data
    if isinstance(data, str) and data.startswith(PREFIXES):
        return DataFile(published_file(data), data, data.partition(":")[2])
    if isinstance(data, str | os.PathLike):
        path = Path(data)
        if path.is_dir():
            return DataFile(_zipped(path), path.name, _name_of(path.resolve().name))
        path.open("rb").close()  # what can't be read is told here
        return DataFile(path, path.name, _name_of(path.name))
    if hasattr(data, "to_csv") and hasattr(data, "columns"):
        return _hashed(_pandas_file(data), "frame")
    if hasattr(data, "write_parquet"):
        buffer = io.BytesIO()
        data.write_parquet(buffer)
        return _hashed(buffer.getvalue(), "frame")
    if isinstance(data, tuple) and len(data) == 2:
        data = {"x": data[0], "y": data[1]}
    if isinstance(data, Mapping) and {"data", "target", "DESCR"} <= data.keys():
        return _bunch_file(data)
    if isinstance(data, Mapping):
        return _arrays_file(data)
    raise TypeError(
        f"A data set is the name of one, a path, a frame of pandas or polars, (x, y), or a mapping of arrays; "
        f"not a {type(data).__name__}"
    )


def _zipped(folder: Path) -> bytes:
    """The IDX files of a folder in one."""
    paths = sorted(path for path in folder.iterdir() if "idx" in path.name.lower() and path.is_file())
    if not paths:
        raise ValueError(f"{folder} is a folder without IDX files, such as train-images-idx3-ubyte.gz")
    return zipped({path.name: path.read_bytes() for path in paths})


def _pandas_file(frame: Any) -> bytes:
    try:
        import pyarrow  # type: ignore[import-not-found,unused-ignore]  # noqa: F401
    except ModuleNotFoundError:
        return bytes(frame.to_csv(index=False).encode())
    return bytes(frame.to_parquet(index=False))


def _bunch_file(bunch: Mapping[str, Any]) -> DataFile:
    """What scikit-learn's `load_wine()` or `fetch_openml("iris")` gives: its columns, and `target`."""
    shape: tuple[int, ...] = getattr(bunch["target"], "shape", ())
    if len(shape) > 1:
        raise ValueError(
            f"The data have {shape[1]} targets, and one is told: pass (x, y), or a frame with one as column"
        )
    table, target = bunch["data"], named_targets(bunch)
    if hasattr(table, "to_csv"):
        return _hashed(_pandas_file(table.assign(target=target)), "frame")
    if bunch.get("feature_names") is None:
        return _arrays_file({"x": table, "y": target})
    return _hashed(csv_of(bunch["feature_names"], table, target), "table")


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
