"""How many threads a processor takes for an operation, for as long as something is timed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from worker.device.devices import use_threads
from worker.tasks.subject import NotAvailableError


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def threads(count: int, device: torch.device) -> Iterator[None]:
    """So many threads for the block, on a processor; 0 is one a core. Raises NotAvailableError where cores lack."""
    if device.type != "cpu":
        yield
        return
    if count > cores():
        raise NotAvailableError(f"{count} threads were asked for, and this worker may use {cores()} cores")
    earlier = torch.get_num_threads()
    use_threads(count or cores())
    try:
        yield
    finally:
        use_threads(earlier)
