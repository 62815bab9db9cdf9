"""How much memory is free on this machine, and within a container's limit."""

from pathlib import Path

import pytest

from app.host_memory import free_container_memory, free_host_memory

VERSIONS = [
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
]


@pytest.mark.parametrize(("limit", "usage", "statistics", "files"), VERSIONS, ids=["cgroups 2", "cgroups 1"])
def test_what_is_free_heeds_the_limit_of_a_container(
    limit: str, usage: str, statistics: str, files: str, tmp_path: Path
) -> None:
    """Files that were read are no hindrance; without a limit there is more than any machine has."""
    (tmp_path / limit).parent.mkdir(exist_ok=True)
    (tmp_path / limit).write_text("1000\n")
    (tmp_path / usage).write_text("900\n")
    assert free_container_memory(tmp_path) == 100
    (tmp_path / statistics).write_text(f"anon 300\nfile 600\n{files} 500\nactive_file 100\n")
    assert free_container_memory(tmp_path) == 600
    (tmp_path / limit).write_text("max\n")
    assert free_container_memory(tmp_path) > 2**60


def test_some_memory_of_this_machine_is_free() -> None:
    """No more than there is installed."""
    free_bytes = free_host_memory()
    assert free_bytes is None or 2**20 < free_bytes < 2**50
