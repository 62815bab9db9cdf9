"""What is known of a machine's hardware without asking anybody: processor, last cache, width of the memory's bus."""

import os
import platform
from pathlib import Path

import torch

from worker.device.devices import device_name

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_BOARD_TABLES = Path("/sys/firmware/dmi/entries")
_MEMORY_DEVICE = "17-*"  # the entries of SMBIOS that describe modules of memory
_PROCESSOR_TIMES = Path("/proc/stat")
_BUSY_TIMES = (1, 2, 3, 6, 7, 8)  # of its first line: user, nice, system, both interrupts, and other virtual machines
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


def facts(device: torch.device) -> dict[str, object]:
    """Names and sizes; None for what can't be read here, which is never guessed."""
    is_cpu = device.type == "cpu"
    return {
        "device": device_name(device),
        "processor": processor(),
        "threads": torch.get_num_threads() if is_cpu else None,
        "cache_bytes": cache_bytes(device),
        "memory_bus_bits": None if is_cpu else _gpu_bus_bits(device),
        "memory_modules": memory_modules() if is_cpu else None,
    }


def processor() -> str:
    """The model of the processor, as it calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def cache_bytes(device: torch.device) -> int | None:
    """The size of the last cache before the memory; None where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).L2_cache_size)
    sizes = [_size(path) for path in _CACHES.glob("index*/size")] if device.type == "cpu" else []
    return max((size for size in sizes if size is not None), default=None)


def memory_modules(tables: Path = _BOARD_TABLES) -> list[dict[str, int]] | None:
    """Width in bits, and speed in million transfers a second, of each module of memory in the board's tables.

    None where those can't be read: most systems keep them for root, and most virtual machines have none.
    """
    try:
        entries = [(path / "raw").read_bytes() for path in sorted(tables.glob(_MEMORY_DEVICE))]
    except OSError:
        return None
    return [module for entry in entries if (module := _module(entry))] or None


def _module(entry: bytes) -> dict[str, int] | None:
    """A memory device of SMBIOS 7.18: data width at 0x0A, size at 0x0C, speed at 0x15; None for an empty socket."""
    if len(entry) < 0x17:
        return None
    width, size, speed = (int.from_bytes(entry[offset : offset + 2], "little") for offset in (0x0A, 0x0C, 0x15))
    if size in (0, 0xFFFF) or width in (0, 0xFFFF):
        return None
    return {"width_bits": width, "megatransfers_per_second": speed}


def _gpu_bus_bits(device: torch.device) -> int | None:
    """The width of a GPU's bus, where its driver says it."""
    if device.type != "cuda":
        return None
    return getattr(torch.cuda.get_device_properties(device), "memory_bus_width", None)


def _size(path: Path) -> int | None:
    """The bytes of a cache that the system writes as 32K."""
    try:
        size_text = path.read_text().strip()
        return int(size_text[:-1]) * _UNITS[size_text[-1]]
    except (OSError, ValueError, KeyError, IndexError):
        return None


def busy_seconds() -> float | None:
    """For how long the machine's processors have worked, for whomever, since it started; None where nobody counts."""
    try:
        fields = _PROCESSOR_TIMES.read_text().splitlines()[0].split()
        return sum(int(fields[place]) for place in _BUSY_TIMES) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def load_averages() -> list[float] | None:
    """Processes that wanted to compute at a time, over 1, 5 and 15 minutes; None where the system does not count."""
    try:
        return [round(load, 2) for load in os.getloadavg()]
    except (OSError, AttributeError):
        return None
