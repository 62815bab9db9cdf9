"""A fleet of workers on Ray: as many actors as there are to be, started, drained and forgotten."""

import logging
import math
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ray

from app.service.ray.worker_actor import WorkerActor

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 20.0  # after which a worker that was told to end is ended


@dataclass
class _Member:
    actor: Any
    first_sign: Any
    """The call that is answered once the cluster has had room for the actor."""
    patience_ends: float = math.inf
    """time.monotonic() at which it is ended; infinite until it is drained."""


class Fleet:
    """The workers of one `perceptune ray up`; they end with it."""

    def __init__(self, resources: Mapping[str, int], variables: Mapping[str, str]) -> None:
        """`resources`: what Ray is to reserve for each worker; `variables`: what it is told by its environment."""
        # a second thread, so that the worker can be drained while `work` waits for it
        options = {"max_restarts": -1, "max_task_retries": -1, "max_concurrency": 2, **resources}
        self._actor = ray.remote(**options)(WorkerActor)
        self._variables = dict(variables)
        self._nursery = secrets.token_hex(8)  # of this fleet alone, on each machine
        self._members: dict[Any, _Member] = {}  # by the call of `work`, in the order of their start

    @property
    def size(self) -> int:
        """Workers that are to go on, those included for which the cluster has no room yet."""
        return len(self._going_on())

    def scale(self, workers: int) -> None:
        """Starts as many workers as are missing, or drains as many as there are too many, the newest first."""
        for _ in range(workers - self.size):
            actor = self._actor.remote(self._variables, self._nursery)
            self._members[actor.work.remote()] = _Member(actor, actor.__ray_ready__.remote())
        for call in self._going_on()[workers:]:
            self._drain(call, self._members[call])

    def watch(self, seconds: float) -> None:
        """Waits so long at most, and forgets workers that have ended, or were drained and do not end."""
        if not self._members:
            time.sleep(seconds)
            return
        ended, _ = ray.wait([*self._members], num_returns=1, timeout=seconds)
        late = [call for call, member in self._members.items() if time.monotonic() > member.patience_ends]
        for call in {*ended, *late}:
            ray.kill(self._members.pop(call).actor)
        for call in ended:
            _log_error(call)

    def drain(self) -> None:
        """Drains all workers, and returns when they have ended."""
        self.scale(0)
        while self._members:
            self.watch(0.2)

    def _going_on(self) -> list[Any]:
        return [call for call, member in self._members.items() if member.patience_ends == math.inf]

    def _drain(self, call: Any, member: _Member) -> None:
        """Has a worker end in good order; one that never had a place is no more."""
        if not ray.wait([member.first_sign], timeout=0)[0]:
            ray.kill(self._members.pop(call).actor)
            return
        member.actor.drain.remote()
        member.patience_ends = time.monotonic() + DRAIN_SECONDS


def _log_error(call: Any) -> None:
    try:
        ray.get(call)
    except ray.exceptions.RayError as error:
        logger.error("a worker could not be kept: %s", str(error).strip().splitlines()[-1])
