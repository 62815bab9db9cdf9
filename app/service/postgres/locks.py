"""Locks on files, which end with the processes that hold them, however they end."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EXCLUSIVE_NOW = fcntl.LOCK_EX | fcntl.LOCK_NB
"""The `flock` operation that raises BlockingIOError where somebody else has the lock."""


@contextmanager
def locked(path: Path, operation: int) -> Iterator[int]:
    """The descriptor of a lock file that is locked by this `flock` operation until the block ends.

    Raises BlockingIOError where the operation must not wait and would have to.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, operation)
        yield descriptor
    finally:
        os.close(descriptor)  # what a child inherited stays locked; unlocking would take it from the child too
