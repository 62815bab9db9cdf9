"""Files in the IDX format of MNIST and its relatives: found, read and checked, or downloaded.

A file counts as real when the SHA-256 of its *decompressed* bytes is the known one: the gzip files of different mirrors
differ in their headers, the examples in them don't.
"""

import hashlib
import os
import tempfile
import urllib.request
import zlib
from collections.abc import Callable, Iterable, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Progress = Callable[[str, int, int], None]  # file name, bytes so far, bytes in all (0: unknown)

TIMEOUT = 10.0  # seconds without a byte before the next mirror is tried
CHUNK = 1 << 18  # bytes


class DatasetError(Exception):
    """A data set that can't be used. The sentence says which file and what to do."""


class DownloadError(Exception):
    """No mirror has the real file. The message lists what each of them gave instead."""


class IdxFile(NamedTuple):
    """One file in the IDX format, as it is after decompression."""

    dataset: str  # for people, e.g. Fashion-MNIST
    name: str  # without .gz
    header: int  # bytes before the first example
    size: int  # bytes, the header's included
    sha256: str


def find_folder(folders: Iterable[Path], files: Sequence[IdxFile]) -> Path | None:
    """The first of the folders that holds all the files, raw or as .gz."""
    return next((folder for folder in folders if all(_find(folder, file) for file in files)), None)


def read(folder: Path, file: IdxFile) -> NDArray[np.uint8]:
    """The bytes of a file behind its header. Raises DatasetError where it is missing, truncated or altered."""
    path = _find(folder, file)
    if path is None:
        raise DatasetError(f"{folder / file.name} is missing.")
    try:
        data = decompress(path.read_bytes(), file)
    except OSError as error:
        raise DatasetError(f"Can't read {path}: {error.strerror or error}.") from error
    if not _is_real(data, file):
        raise DatasetError(
            f"{path} is truncated or altered: it is not {file.dataset}'s {file.name}. Remove it and run again."
        )
    return np.frombuffer(data, np.uint8, offset=file.header)


def download(folder: Path, files: Sequence[IdxFile], mirrors: Sequence[str], progress: Progress | None = None) -> None:
    """Fetches the files that the folder lacks. Each one appears whole and checked, or not at all.

    Raises DownloadError where no mirror has a file, OSError where it can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        if _find(folder, file) is None:
            _write(folder / f"{file.name}.gz", _fetch(file, mirrors, progress))


def decompress(data: bytes, file: IdxFile) -> bytes:
    """The IDX bytes, at most one more than there should be, and none of a broken gzip stream."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return zlib.decompressobj(wbits=31).decompress(data, file.size + 1)
    except zlib.error:
        return b""


def _find(folder: Path, file: IdxFile) -> Path | None:
    candidates = (folder / file.name, folder / f"{file.name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def _is_real(data: bytes, file: IdxFile) -> bool:
    return len(data) == file.size and hashlib.sha256(data).hexdigest() == file.sha256


def _fetch(file: IdxFile, mirrors: Sequence[str], progress: Progress | None) -> bytes:
    """The .gz of one file from the first mirror that has the real one."""
    reasons = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{file.name}.gz"
        try:
            data = _get(url, file, progress)
        except (OSError, HTTPException) as error:  # no network, a status that is not 200, a broken transfer
            reasons.append(f"{url}: {getattr(error, 'reason', None) or error}")
            continue
        if _is_real(decompress(data, file), file):
            return data
        reasons.append(f"{url}: not the expected SHA-256")
    raise DownloadError("; ".join(reasons) or "no mirror was given")


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
