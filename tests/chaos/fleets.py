"""The workers under attack: forked by the tests, or kept by a Ray cluster on this machine."""

import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError

from app.db.engine import transaction
from app.db.tables import Worker
from app.queue.workers import IS_LIVE
from tests.ray_cluster.nodes import NODE, actor_of, cluster_of, family, kill_at_once, parent
from tests.support.paths import ROOT
from tests.support.up_process import COMMAND
from tests.support.waiting import wait_until
from tests.support.worker_processes import Nursery, is_alive

NODES = 2  # of the Ray cluster
PATIENCE_SECONDS = 120.0
SHIFTS = {"ahead": "+1h", "behind": "-1h"}  # of wrong clocks


class Fleet(ABC):
    """So many workers, whatever happens to them."""

    def __init__(self, clocks: Collection[str] = ()) -> None:
        """`clocks`: what a worker's may be wrong by, "ahead" or "behind"."""
        self.clocks = clocks
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    @abstractmethod
    def pids(self) -> list[int]:
        """Their process ids."""

    @abstractmethod
    def start(self, workers: int) -> None:
        """Starts so many."""

    @abstractmethod
    def kill(self, pid: int, clock: str = "right") -> None:
        """kill -9; another worker takes its place, with this clock."""

    @abstractmethod
    def assert_alive(self) -> None:
        """Fails where somebody has ended by itself: each must outlive whatever happens around it."""


class ForkedWorkers(Fleet):
    """Processes that the tests fork and replace."""

    def __init__(self, variables: Mapping[str, str], log: Path) -> None:
        super().__init__(clocks=SHIFTS if faketime() else ())
        self._variables = variables
        self._log = log
        self._pids: list[int] = []
        self._nurseries: dict[str, Nursery] = {}

    @property
    def pids(self) -> list[int]:
        return self._pids

    def start(self, workers: int) -> None:
        for _ in range(workers):
            self._pids.append(self._fork("right"))

    def kill(self, pid: int, clock: str = "right") -> None:
        self._pids.remove(pid)
        next(nursery for nursery in self._nurseries.values() if pid in nursery.pids).kill(pid)
        self._pids.append(self._fork(clock))

    def assert_alive(self) -> None:
        for pid in self._pids:
            assert is_alive(pid), f"worker {pid} has ended by itself: {self._log}"

    def start_spared(self) -> int:
        """One more, which no fault chooses: its process id."""
        return self._fork("right")

    def _fork(self, clock: str) -> int:
        if clock not in self._nurseries:
            variables = {"LD_PRELOAD": str(faketime()), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
            shifted = variables | {"FAKETIME": SHIFTS[clock]} if clock in SHIFTS else None
            self._nurseries[clock] = self._stack.enter_context(Nursery(shifted))
        return self._nurseries[clock].worker(self._variables, self._log)


class RayWorkers(Fleet):
    """What `perceptune ray up` keeps on a cluster of two nodes, which Ray starts again where they are killed."""

    def __init__(self, variables: Mapping[str, str], engine: Engine, log: Path) -> None:
        super().__init__()
        self._variables = dict(variables)
        self._engine = engine
        self._log = log

    @property
    def pids(self) -> list[int]:
        """Of those that have signed on and live; waited for where all have just been killed."""
        return wait_until(self._live, PATIENCE_SECONDS)

    def start(self, workers: int) -> None:
        """Cluster and command, and waits until all workers have signed on."""
        self._room = -(-workers // NODES)
        self._cluster: Any = self._stack.enter_context(cluster_of(*[self._room] * NODES))
        command = [*COMMAND, "ray", "up", "--address", self._cluster.address, "--workers", str(workers)]
        variables = {name: value for name, value in os.environ.items() if name.startswith("RAY_")} | self._variables
        with self._log.open("ab") as log:
            self._command = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=log, stderr=log)
        self._stack.callback(self._end)
        wait_until(lambda: len(self._live()) == workers, PATIENCE_SECONDS)

    def kill(self, pid: int, clock: str = "right") -> None:
        """The worker, or its actor too, by chance: where its process id is odd. Ray replaces both."""
        assert clock == "right"
        if pid % 2:
            with suppress(OSError):
                kill_at_once(actor_of(pid))
        kill_at_once(pid)

    def kill_node(self) -> None:
        """A node with all that runs on it, as by a power cut, and another: not the first, which holds Ray's tables."""
        head = self._raylet(self._cluster.head_node)
        (raylet,) = {self._raylet(node) for node in self._cluster.list_all_nodes()} - {head}
        lost = [pid for pid in self._live() if self._is_on(raylet, pid)]
        kill_at_once(*family(raylet), *lost)
        (node,) = (node for node in self._cluster.list_all_nodes() if self._raylet(node) == raylet)
        self._cluster.remove_node(node, allow_graceful=False)
        self._cluster.add_node(**NODE | {"num_cpus": self._room})

    def assert_alive(self) -> None:
        assert self._command.poll() is None, f"`perceptune ray up` has ended by itself: {self._log}"

    def _live(self) -> list[int]:
        with suppress(DBAPIError), transaction(self._engine) as session:
            pids = session.scalars(select(Worker.pid).where(IS_LIVE).order_by(Worker.id)).all()
            return [pid for pid in pids if is_alive(pid)]
        return []

    def _is_on(self, raylet: int, pid: int) -> bool:
        with suppress(OSError):
            return parent(actor_of(pid)) == raylet
        return False

    def _raylet(self, node: Any) -> int:
        (raylet,) = node.all_processes["raylet"]
        return int(raylet.process.pid)

    def _end(self) -> None:
        """The command and its workers, however they stand."""
        self._command.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._command.wait(30)
        self._command.kill()
        self._command.wait()
        kill_at_once(*self._live())


def faketime() -> Path | None:
    """The library that gives a process another clock, where the system has it (Debian: `apt install libfaketime`)."""
    libraries = [
        *Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"),
        *Path("/usr/lib").glob("faketime/libfaketimeMT*"),
    ]
    return libraries[0] if libraries else None
