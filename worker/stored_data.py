"""Stored data sets on this machine: fetched from the database once, and checked by their hash each time."""

import hashlib
import os
import tempfile
from pathlib import Path

from app.db import datasets
from app.db.engine import transaction
from worker.context import Context
from worker.data.datasets import DatasetError
from worker.retry import retry_while_disconnected

READ_BYTES = 1 << 20  # at a time


def folder(home: Path) -> Path:
    """Where under the data folder they lie."""
    return home / "datasets" / "stored"


def fetch(context: Context, content_hash: str) -> Path:
    """The file with this hash, from this machine or from the database. Raises DatasetError."""
    path = folder(context.settings.home) / f"{content_hash}.safetensors"
    if not _has_hash(path, content_hash):
        retry_while_disconnected(lambda: _download(context, content_hash, path), context.stopping)
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
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".part-")
        digest = hashlib.sha256()
        with os.fdopen(handle, "wb") as file, transaction(context.engine) as session:
            for piece in datasets.pieces(session, content_hash):
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
