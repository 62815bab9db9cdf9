"""A Ray cluster whose nodes are all on this machine, and which processes are whose."""

import os
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

NODE = {"num_cpus": 1, "object_store_memory": 78_643_200, "include_dashboard": False}
# on 127.0.0.1 alone, with a key of its own that lies nowhere
VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}


@contextmanager
def cluster_of(*rooms: int) -> Iterator[Any]:
    """A cluster with a node for each number, which has room for so many workers; `add_node(**NODE)` adds another."""
    os.environ.update(VARIABLES)
    from ray.cluster_utils import Cluster

    head, *others = [NODE | {"num_cpus": room} for room in rooms]
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for node in others:
            cluster.add_node(**node)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()


def parent(pid: int) -> int:
    """The process that started this one."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def actor_of(worker: int) -> int:
    """The process of the actor that keeps a worker: Ray names after it the file to which both write."""
    return int(Path(os.readlink(f"/proc/{worker}/fd/2")).stem.rpartition("-")[2])


def seconds_of_life(pid: int) -> float:
    """How long ago the process was started."""
    begin = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - begin / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """The process and all that it has started, and they have."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(path.name)] = parent(int(path.name))
    members = [pid]
    for member in members:
        members += [child for child, its_parent in parents.items() if its_parent == member]
    return members


def kill_at_once(*pids: int) -> None:
    """kill -9 for all of them: as when the power fails."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
