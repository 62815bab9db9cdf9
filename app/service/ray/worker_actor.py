"""The actor that keeps a worker on a node of Ray: one worker process, which ends with it."""

import os
import time
from collections.abc import Mapping

from app.service.ray.nursery import NurseryWorker

# What is the server's alone, and what would have a worker take its work from a server: those on Ray take it from the
# database. A file's name says nothing on another node.
NOT_FOR_WORKERS = frozenset(
    {
        "PERCEPTUNE_API_KEY",
        "PERCEPTUNE_API_KEY_FILE",
        "PERCEPTUNE_KEY",
        "PERCEPTUNE_KEY_FILE",
        "PERCEPTUNE_PULSE_FILE",
        "PERCEPTUNE_SERVER",
    }
)
EARLY_SECONDS = 5.0  # a worker that ends before has not really started: the next one waits so long


def for_workers(variables: Mapping[str, str]) -> dict[str, str]:
    """Those of the variables that a worker on Ray may have."""
    return {name: value for name, value in variables.items() if name not in NOT_FOR_WORKERS}


class WorkerActor:
    """Starts a worker when it is made, and so again when Ray makes it anew, on whichever node that is."""

    def __init__(self, variables: Mapping[str, str], nursery: str) -> None:
        """`variables`: what the worker is told, beside what its node has in the environment."""
        self._environment = {**for_workers(os.environ), **variables}
        self._nursery = nursery
        self._is_draining = False
        self._start()

    def work(self) -> None:
        """Returns once the worker was drained; one that ended by itself is followed by another."""
        while not self._worker.wait() and not self._is_draining:
            time.sleep(max(0.0, EARLY_SECONDS - (time.monotonic() - self._started_at)))
            self._start()

    def drain(self) -> None:
        """Has the worker end its epoch, give its trials back, and end."""
        self._is_draining = True
        self._worker.drain()

    def _start(self) -> None:
        self._started_at = time.monotonic()
        self._worker = NurseryWorker(self._nursery, self._environment)
        if self._is_draining:
            self._worker.drain()
