"""Fashion-MNIST's four files: where they may lie, whether they are the real ones, how they get here.

The images are those of Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
Learning Algorithms" (2017), MIT licence. A file counts as real when the SHA-256 of its *decompressed* bytes is the
known one: the mirrors' gzip files differ in their headers, the images in them don't.
"""

import hashlib
import os
import tempfile
import urllib.request
import zlib
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Progress = Callable[[str, int, int], None]  # file name, bytes so far, bytes in all (0: unknown)

SYSTEM_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist
MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
)
TIMEOUT = 10.0  # seconds without a byte before the next mirror is tried
CHUNK = 1 << 18  # bytes


class DatasetError(Exception):
    """A data set that can't be used; the sentence says which file and what to do."""


class IdxFile(NamedTuple):
    """One file in the IDX format, as it is after decompression. `header` counts bytes."""

    name: str
    header: int
    size: int
    sha256: str


class Images(NamedTuple):
    """Pixels uint8 [n, 784] in 0..255, row by row, and labels uint8 [n] in 0..9."""

    train_x: NDArray[np.uint8]
    train_y: NDArray[np.uint8]
    test_x: NDArray[np.uint8]
    test_y: NDArray[np.uint8]


FILES = (
    IdxFile(
        "train-images-idx3-ubyte", 16, 47040016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
    ),
    IdxFile("train-labels-idx1-ubyte", 8, 60008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
    IdxFile("t10k-images-idx3-ubyte", 16, 7840016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
    IdxFile("t10k-labels-idx1-ubyte", 8, 10008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
)


def data_folder(home: Path) -> Path:
    """Where under the data folder `home` the files belong."""
    return home / "datasets" / "fashion-mnist"


def find(home: Path) -> Path | None:
    """The first folder that holds all four files, raw or as .gz; the user's own comes before the system's."""
    folders = (data_folder(home), SYSTEM_FOLDER)
    return next((folder for folder in folders if all(_path(folder, file) for file in FILES)), None)


def read(folder: Path) -> Images:
    """The images and labels of a folder that holds all four files.

    Raises DatasetError, naming the file, for one that is missing, truncated or altered.
    """
    train_x, train_y, test_x, test_y = (_read(folder, file) for file in FILES)
    return Images(train_x.reshape(-1, 784), train_y, test_x.reshape(-1, 784), test_y)


def download(home: Path, mirrors: Sequence[str] = MIRRORS, progress: Progress | None = None) -> Path:
    """Fetches what the data folder lacks, and gives back the folder. Each file appears whole and checked, or not.

    Raises DatasetError that names every way to get the files.
    """
    folder = data_folder(home)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in FILES:
            if _path(folder, file) is None:
                _write(folder / f"{file.name}.gz", _fetch(file, home, mirrors, progress))
    except OSError as error:
        raise DatasetError(f"Can't write Fashion-MNIST to {folder}: {error.strerror or error}.") from error
    return folder


def _path(folder: Path, file: IdxFile) -> Path | None:
    candidates = (folder / file.name, folder / f"{file.name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def _read(folder: Path, file: IdxFile) -> NDArray[np.uint8]:
    path = _path(folder, file)
    if path is None:
        raise DatasetError(f"{folder / file.name} is missing.")
    try:
        data = _decompressed(path.read_bytes(), file)
    except OSError as error:
        raise DatasetError(f"Can't read {path}: {error.strerror or error}.") from error
    if not _is_real(data, file):
        raise DatasetError(
            f"{path} is truncated or altered: it is not Fashion-MNIST's {file.name}. Remove it and run again."
        )
    return np.frombuffer(data, np.uint8, offset=file.header)


def _decompressed(data: bytes, file: IdxFile) -> bytes:
    """The IDX bytes, at most one more than there should be; nothing for a broken gzip stream."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return zlib.decompressobj(wbits=31).decompress(data, file.size + 1)
    except zlib.error:
        return b""


def _is_real(data: bytes, file: IdxFile) -> bool:
    return len(data) == file.size and hashlib.sha256(data).hexdigest() == file.sha256


def _fetch(file: IdxFile, home: Path, mirrors: Sequence[str], progress: Progress | None) -> bytes:
    """The .gz of one file from the first mirror that has the real one."""
    reasons = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{file.name}.gz"
        try:
            data = _get(url, file, progress)
        except (OSError, HTTPException) as error:  # no network, a status that is not 200, a broken transfer
            reasons.append(f"{url}: {getattr(error, 'reason', None) or error}")
            continue
        if _is_real(_decompressed(data, file), file):
            return data
        reasons.append(f"{url}: not the expected SHA-256")
    raise DatasetError(
        "Fashion-MNIST is not on this machine and can't be downloaded: "
        f"put its four .gz files into {data_folder(home)}, "
        "or install Debian's package (apt install dataset-fashion-mnist), "
        f"or go online and run `perceptune data` ({'; '.join(reasons) or 'no mirror was given'})."
    )


def _get(url: str, file: IdxFile, progress: Progress | None) -> bytes:
    received = bytearray()
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
        total = response.length or 0
        while (chunk := response.read(CHUNK)) and len(received) <= file.size:  # no .gz is larger than what is in it
            received += chunk
            if progress is not None:
                progress(f"{file.name}.gz", len(received), total)
    return bytes(received)


def _write(path: Path, data: bytes) -> None:
    """Writes a file so that a reader, or a machine that loses power, sees all of it or nothing."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)  # public data; mkstemp gives 0600
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
