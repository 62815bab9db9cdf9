"""The task `time_memory`: times the four operations of the benchmark STREAM on arrays that no cache holds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from app.domain.tasks.time_memory import ARRAYS
from worker.device import hardware, memory
from worker.tasks.subject import Subject, Timer, check_memory, place, seconds_of
from worker.tasks.threads import threads

CACHES = 4  # an array holds as many times the last cache, as STREAM demands
FREE_SHARE = 8  # an array whose size is left to the worker takes at most this part of the free memory
REPEAT_SECONDS = 0.2
_SCALE = 3.0
_GIGABYTE = 1e9
_NUMBER_BYTES = 4  # of a float32

OPERATIONS: dict[str, Callable[[Tensor, Tensor, Tensor], object]] = {
    "copy": lambda a, b, _: a.copy_(b),
    "scale": lambda a, b, _: torch.mul(b, _SCALE, out=a),
    "add": lambda a, b, c: torch.add(b, c, out=a),
    "triad": lambda a, b, c: torch.add(b, c, alpha=_SCALE, out=a),
}


@contextmanager
def timer(subject: Subject) -> Iterator[Timer]:
    """Times an operation; `seconds` are those in which each array moves 10^9 bytes. Raises NotAvailableError."""
    device, name = place(subject), subject.params["operation"]
    array_bytes = _array_bytes(int(subject.params["array_mib"]), device)
    check_memory(ARRAYS[name] * array_bytes, device)
    # written once, so that the system has given out their memory; copy and scale have no third one
    a, b = (torch.ones(array_bytes // _NUMBER_BYTES, device=device) for _ in range(2))  # [n]
    c = torch.ones_like(a) if ARRAYS[name] == 3 else b
    with threads(subject.params["threads"], device):
        seconds = seconds_of(lambda: OPERATIONS[name](a, b, c), device, REPEAT_SECONDS)
        yield Timer(lambda: seconds() * _GIGABYTE / array_bytes, device, {"array_bytes": array_bytes})


def _array_bytes(mib: int, device: torch.device) -> int:
    """The bytes of an array, whole numbers of MiB."""
    if mib:
        return mib * 2**20
    largest = memory.free_memory(device) // FREE_SHARE
    return max(min(CACHES * (hardware.cache_bytes(device) or 2**26), largest) // 2**20, 1) * 2**20
