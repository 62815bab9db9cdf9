"""Data folders that the embedded Postgres' own user can enter: pytest's own are closed to other users."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_folder() -> Iterator[Path]:
    """A new folder whose parents are open, until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="perceptune-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
