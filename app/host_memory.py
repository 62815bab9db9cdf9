"""The memory of this machine: how much of it a process may still take, also within the limit of a container."""

from contextlib import suppress
from pathlib import Path

# Of cgroups of version 2, then 1: the files with the limit and with what is used, and what files take of that.
_CGROUPS = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)


def free_host_memory() -> int | None:
    """Bytes that a process may still take; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    available = next((line for line in lines if line.startswith("MemAvailable:")), None)
    return None if available is None else min(1024 * int(available.split()[1]), free_container_memory())


def free_container_memory(folder: Path = Path("/sys/fs/cgroup")) -> int:
    """What the container's limit leaves; very much where there is none.

    What lies in memory of files that were read counts as used, and makes room for whoever wants it: as Docker and
    Kubernetes count, it is free.
    """
    for limit, usage, statistics, files in _CGROUPS:
        with suppress(OSError, ValueError):  # no such file, or the limit is "max"
            left_bytes = int((folder / limit).read_text()) - int((folder / usage).read_text())
            return left_bytes + _bytes_of_files(folder / statistics, files)
    return 2**62


def _bytes_of_files(statistics: Path, name: str) -> int:
    try:
        entries = dict(line.split(maxsplit=1) for line in statistics.read_text().splitlines())
        return int(entries[name])
    except (OSError, ValueError, KeyError):
        return 0
