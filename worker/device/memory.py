"""The memory of a device: how much is free, and whether an error says that none is."""

import os

import torch

from app.host_memory import free_host_memory


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
    if (free_bytes := free_host_memory()) is not None:
        return free_bytes
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2  # not Linux: a careful guess
