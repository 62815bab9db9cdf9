"""The connection to a Ray cluster: one that runs, or one of this machine alone."""

import contextlib
import logging
import os
from collections.abc import Iterator

from app.errors import StartError, in_short

# What Ray reads of the environment as soon as it is imported
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}  # nothing is reported to anybody
_ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # where Ray is for one machine, on any system
_OBJECT_STORE_BYTES = 78_643_200  # the least that Ray takes: nothing of ours lies in it


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[None]:
    """The block runs connected to the cluster at this address, or to one that begins and ends with it.

    Raises StartError.
    """
    for name, value in (_QUIET if address else _QUIET | _ON_LOOPBACK).items():
        os.environ.setdefault(name, value)
    import ray

    try:
        if address is None:
            ray.init(
                "local", include_dashboard=False, object_store_memory=_OBJECT_STORE_BYTES, logging_level=logging.ERROR
            )
        else:
            ray.init(address, logging_level=logging.ERROR)
    except (ray.exceptions.RayError, ConnectionError, RuntimeError, ValueError) as error:
        raise StartError(f"Ray can't be reached or started: {in_short(error)}") from None
    try:
        yield
    finally:
        ray.shutdown()


def size(resource: str) -> int:
    """How much of a resource all nodes of the cluster have, CPU or GPU."""
    import ray

    return int(ray.cluster_resources().get(resource, 0))
