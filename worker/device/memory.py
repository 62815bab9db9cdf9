"""The memory of a device: how much is free, and whether an error says that none is."""

import os
from contextlib import suppress
from pathlib import Path

import torch


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an allocation failed, on the device or in the host's memory, also when another error came of it."""
    while error is not None:
        if isinstance(error, MemoryError | torch.OutOfMemoryError):
            return True
        if isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY):
            return True
        error = error.__context__
    return False


# how libraries say it that have no error of their own for it: the CPU's allocator, CUDA's runtime and MPS, cuBLAS
_NO_MEMORY = "can't allocate memory", "out of memory", "ALLOC_FAILED"


def free_memory(device: torch.device) -> int:
    """Bytes that a cohort on this device may still take; on a CPU also within the container's limit."""
    if device.type == "cuda":
        torch.cuda.empty_cache()  # what a former cohort has left counts as taken until then
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return min(_free_host_memory(), free_container_memory())


def _free_host_memory() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:  # not Linux: half of what is installed is a careful guess
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    available = next(line for line in lines if line.startswith("MemAvailable:"))
    return int(available.split()[1]) * 1024


def free_container_memory(folder: Path = Path("/sys/fs/cgroup")) -> int:
    """What the container's limit leaves, by cgroups of version 2 or 1; very much where there is none."""
    for limit, usage in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):  # no such file, or the limit is "max"
            return int((folder / limit).read_text()) - int((folder / usage).read_text())
    return 2**62
