"""Data sets that others publish, by name: tables of scikit-learn, and the images of MNIST and KMNIST."""

from __future__ import annotations

import csv
import hashlib
import io
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.error import HTTPError

import httpx

from perceptune.errors import DownloadError, in_short

SCIKIT_LEARN, DOWNLOAD = "sklearn:", "download:"
PREFIXES = (SCIKIT_LEARN, DOWNLOAD)
BUNDLED_TABLES = ("breast_cancer", "iris", "wine")
FETCHED_TABLES = {"california_housing": "fetch_california_housing", "covertype": "fetch_covtype"}  # by scikit-learn
TIMEOUT = 30.0  # seconds without a byte before the next mirror is tried
MAX_BYTES = 64 * 2**20  # of a file that is downloaded


class IdxSet(NamedTuple):
    """Images and labels in four IDX files."""

    mirrors: tuple[str, ...]
    md5: Mapping[str, str]
    """Of each file by its name, as torchvision/datasets/mnist.py has them."""


IMAGES = {
    "mnist": IdxSet(
        ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
        {
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
    ),
    "kmnist": IdxSet(
        ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
        {
            "train-images-idx3-ubyte.gz": "bdb82020997e1d708af4cf47b453dcf7",
            "train-labels-idx1-ubyte.gz": "e144d726b3acfaa3e44228e80efcd344",
            "t10k-images-idx3-ubyte.gz": "5c965bf0a639b31b8f53240b1b52f4d7",
            "t10k-labels-idx1-ubyte.gz": "7320c461ea6c1c855c0b718fb2a4b134",
        },
    ),
}


def published_file(address: str) -> bytes:
    """The file of `sklearn:wine` or `download:mnist`: a table whose target is called `target`, or IDX files in a .zip.

    Raises ValueError where there is none of that name, DownloadError where it can't be had.
    """
    prefix, _, name = address.partition(":")
    names = sorted([*BUNDLED_TABLES, *FETCHED_TABLES] if f"{prefix}:" == SCIKIT_LEARN else IMAGES)
    if name not in names:
        raise ValueError(f"There is no {address}; there are {', '.join(f'{prefix}:{name}' for name in names)}")
    return zipped(_idx_files(name)) if name in IMAGES else _table(name)


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A .zip of files by their names, always the same for the same; they are not packed once more."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # without a time, which changes the hash
    return buffer.getvalue()


def _table(name: str) -> bytes:
    """A table of scikit-learn's, as CSV where it brings it along, with the names of the classes."""
    try:
        from sklearn import datasets  # type: ignore[import-untyped,unused-ignore]
    except ModuleNotFoundError:
        raise ValueError(f"{SCIKIT_LEARN}{name} is in scikit-learn: pip install scikit-learn") from None
    if name in FETCHED_TABLES:
        table = _fetched(datasets, name)
        return _parquet(table) or csv_of(table.feature_names, table.data, table.target)
    table = getattr(datasets, f"load_{name}")()
    return csv_of(table.feature_names, table.data, named_targets(table))


def named_targets(bunch: Mapping[str, Any]) -> Any:
    """The targets of a table of scikit-learn's, as the names of the classes where it has these."""
    target, names = bunch["target"], bunch.get("target_names")
    if names is None or target.dtype.kind not in "iu" or len(names) <= max(target):
        return target  # of a number, and at OpenML, the names are those of the targets' columns
    return [str(names[code]) for code in target]


def _fetched(datasets: Any, name: str) -> Any:
    """The table from where scikit-learn keeps it, else downloaded and checked by it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it tries again
            return getattr(datasets, FETCHED_TABLES[name])(n_retries=1)
    except OSError as error:
        if isinstance(error, HTTPError):
            error.close()  # the connection, which it holds
        raise DownloadError(
            f"scikit-learn can't download {name} ({in_short(error)}): go online, or copy its folder scikit_learn_data "
            "from a machine that has it, or get the table as a file for `perceptune data add FILE`."
        ) from None


def _parquet(table: Any) -> bytes | None:
    """The table as Parquet, a tenth of a CSV, where pyarrow is installed."""
    try:
        import pyarrow  # type: ignore[import-not-found,unused-ignore]
        import pyarrow.parquet as parquet  # type: ignore[import-not-found,unused-ignore]
    except ModuleNotFoundError:
        return None
    columns = dict(zip(table.feature_names, table.data.T, strict=True))
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table({**columns, "target": table.target}), buffer)
    return buffer.getvalue()


def csv_of(names: Iterable[str], rows: Any, targets: Iterable[object]) -> bytes:
    """Rows of numbers with their targets, of which the column is called `target`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*names, "target"])
    writer.writerows([*row.tolist(), target] for row, target in zip(rows, targets, strict=True))
    return text.getvalue().encode()


def _idx_files(name: str) -> dict[str, bytes]:
    """The four files, each checked. Raises DownloadError."""
    images = IMAGES[name]
    with httpx.Client(follow_redirects=True, timeout=TIMEOUT) as http:
        try:
            return {file: _checked(http, images.mirrors, file, md5) for file, md5 in images.md5.items()}
        except DownloadError as error:
            raise DownloadError(
                f"{name} can't be downloaded ({error}): go online, or get its four files {', '.join(images.md5)} "
                "elsewhere, and give `perceptune data add` their folder."
            ) from None


def _checked(http: httpx.Client, mirrors: Sequence[str], file: str, md5: str) -> bytes:
    """The file from the first mirror that has the real one. Raises DownloadError with what each gave instead."""
    reasons = []
    for mirror in mirrors:
        try:
            content = _get(http, mirror + file)
        except httpx.HTTPError as error:
            reasons.append(f"{mirror}{file}: {in_short(error)}")
            continue
        if hashlib.md5(content, usedforsecurity=False).hexdigest() == md5:
            return content
        reasons.append(f"{mirror}{file}: not the expected MD5")
    raise DownloadError("; ".join(reasons))


def _get(http: httpx.Client, url: str) -> bytes:
    content = bytearray()
    with http.stream("GET", url) as response:
        response.raise_for_status()
        for chunk in response.iter_raw():  # a .gz as it is, whatever the server says that it is
            content += chunk
            if len(content) > MAX_BYTES:
                break
    return bytes(content)
