"""Data folders that the embedded Postgres' own user can enter: pytest's own are closed to other users."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")
LEAST_MEMORY = 4 * 2**30  # free bytes: a container has 64 MiB unless more is asked for


def place_in_memory() -> Path:
    """Where a database is made and dropped in half the time: in memory, where there is room for it; else /tmp."""
    if not MEMORY.is_dir():
        return Path("/tmp")
    found = os.statvfs(MEMORY)
    fits = found.f_bavail * found.f_frsize >= LEAST_MEMORY and not found.f_flag & os.ST_NOEXEC
    return MEMORY if fits else Path("/tmp")


@contextmanager
def open_folder(place: Path = Path("/tmp")) -> Iterator[Path]:
    """A new folder whose parents are open, until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="perceptune-", dir=place))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
