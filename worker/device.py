"""The device that a worker trains on."""

import os
from pathlib import Path

import torch


def choose_device(name: str = "auto") -> torch.device:
    """The named device ("cuda:1", "mps", "cpu"), or for "auto" the first of CUDA, MPS and CPU that is there.

    Raises ValueError, naming what there is, when the device is unknown or absent.
    """
    present = ["cpu"]
    if torch.backends.mps.is_available():
        present.insert(0, "mps")
    present[:0] = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if name == "auto":
        return torch.device(present[0])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in present:
        raise ValueError(f"no device {name!r} here; there is {', '.join(present)}")
    return torch.device(wanted)


def use_threads(threads: int = 1) -> None:
    """Sets how many threads a CPU operation takes in this process: one a worker, and one worker a core.

    With more, each operation waits for its slowest thread, and a core that is taken stops them all.
    """
    torch.set_num_threads(threads)


def device_name(device: torch.device) -> str:
    """What a person calls it: the GPU's model, or "cpu"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return device.type


def use_tf32(wanted: bool) -> None:
    """Lets CUDA round the factors of float32 products to 10 bits of mantissa in place of 23; sums stay float32.

    Quicker on tensor cores, and on a CPU nothing. The results then depend on the card.
    """
    torch.backends.cuda.matmul.allow_tf32 = wanted


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
    return min(_free_host_memory(), _free_container_memory())


def _free_host_memory() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:  # not Linux: half of what is installed is a careful guess
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    available = next(line for line in lines if line.startswith("MemAvailable:"))
    return int(available.split()[1]) * 1024


def _free_container_memory() -> int:
    folder = Path("/sys/fs/cgroup")
    try:
        limit = (folder / "memory.max").read_text().strip()
        return int(limit) - int((folder / "memory.current").read_text()) if limit != "max" else 2**62
    except (OSError, ValueError):
        return 2**62
