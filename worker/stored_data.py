"""Stored data sets on this machine: fetched once, checked by their hash each time, and those used last stay."""

import hashlib
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from worker.context import Context
from worker.data.datasets import DatasetError
from worker.retry import retry_while_disconnected

MAX_BYTES = 4 * 2**30  # that lie here, beside the data set that was fetched last
DOWNLOAD_PREFIX = ".part-"
ABANDONED_SECONDS = 3600.0  # after which a download that nobody goes on with is one of a worker that was killed


def folder(home: Path) -> Path:
    """Where under the data folder they lie."""
    return home / "datasets" / "stored"


def fetch(context: Context, content_hash: str) -> Path:
    """The file with this hash, which is fetched where it is not on this machine. Raises DatasetError."""
    path = folder(context.settings.home) / f"{content_hash}.safetensors"
    with suppress(OSError):
        os.utime(path)  # it was used last, so another worker does not remove it
    if not _has_hash(path, content_hash):
        retry_while_disconnected(lambda: _download(context, content_hash, path), context.stopping)
        _make_room(path)
    return path


def _has_hash(path: Path, content_hash: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == content_hash
    except OSError:
        return False


def _download(context: Context, content_hash: str, path: Path) -> None:
    """Writes the file so that it appears whole and checked, or not at all."""
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=DOWNLOAD_PREFIX)
        digest = hashlib.sha256()
        with os.fdopen(handle, "wb") as file:
            for piece in context.broker.dataset_pieces(content_hash):
                digest.update(piece)
                file.write(piece)
        if digest.hexdigest() != content_hash:
            raise DatasetError(f"The stored data set {content_hash[:12]} is not whole in the database.")
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise DatasetError(f"Can't write a data set to {path.parent}: {error.strerror or error}.") from error
    finally:
        if temporary is not None:
            os.unlink(temporary)


def _make_room(fetched: Path) -> None:
    """Removes what was not used for the longest time, until the others are small enough together."""
    size = 0
    with suppress(OSError):  # what another worker removes at this moment
        files = [(path.stat(), path) for path in fetched.parent.iterdir() if path != fetched]
        for status, path in sorted(files, key=lambda file: file[0].st_mtime, reverse=True):
            is_download = path.name.startswith(DOWNLOAD_PREFIX)
            is_abandoned = is_download and status.st_mtime < time.time() - ABANDONED_SECONDS
            size += 0 if is_download else status.st_size
            if is_abandoned or (not is_download and size > MAX_BYTES):
                path.unlink(missing_ok=True)
