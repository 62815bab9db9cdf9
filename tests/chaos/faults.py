"""What goes wrong, kind by kind. A fault that lasts goes on beside the ones that follow it."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

from tests.chaos.fleets import Fleet, RayWorkers
from tests.chaos.sweeps import EXTENDED, LONG, POISONOUS_SPACE, RANDOM, SMALL
from tests.chaos.world import LEASE_SECONDS, World
from tests.support.waiting import wait_until
from tests.support.worker_processes import is_alive

BRIEF, PAST_LEASE = 0.4 * LEASE_SECONDS, 1.6 * LEASE_SECONDS
RECOVERY_SECONDS = 30.0


class Faults:
    """A deck of faults, dealt in an order that the seed decides."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._chance = random.Random(seed)
        self._lasting: list[threading.Thread] = []
        self.cancelled: list[int] = []
        self.extended: list[int] = []
        self.poisonous: list[int] = []

    def deck(self, size: int) -> list[str]:
        """The kinds of `size` faults: each at least once, two sweeps cancelled and one extended at least."""
        kinds = [kind for kind in KINDS if can_happen(kind, self._world.fleet)]
        required_kinds = [*kinds, "a sweep cancelled"]
        rest = self._chance.choices(kinds, [KINDS[kind][0] for kind in kinds], k=max(0, size - len(required_kinds)))
        dealt = required_kinds + rest
        self._chance.shuffle(dealt)
        return dealt

    def inject(self, kind: str) -> None:
        time.sleep(self._chance.uniform(0.1, 0.8))  # the moment is random, so that every step of the work is hit
        KINDS[kind][1](self)

    def settle(self) -> None:
        """Waits until what lasts is over."""
        for thread in self._lasting:
            thread.join(RECOVERY_SECONDS)
            assert not thread.is_alive()
        self._lasting.clear()

    def kill_worker(self, clock: str = "right") -> None:
        fleet = self._world.fleet
        fleet.kill(self._chance.choice(fleet.pids), clock)

    def start_with_wrong_clock(self) -> None:
        self.kill_worker(self._chance.choice(["ahead", "behind"]))

    def freeze_worker(self) -> None:
        self._lasts(self._world.frozen(self._chance.choice(self._world.fleet.pids)), PAST_LEASE)

    def kill_node(self) -> None:
        fleet = self._world.fleet
        assert isinstance(fleet, RayWorkers)
        fleet.kill_node()

    def kill_server(self) -> None:
        self._world.kill_server()
        self._world.start_server()

    def kill_postgres(self) -> None:
        self._kill_of_postgres(self._world.postgres_processes())

    def kill_postmaster(self) -> None:
        self._kill_of_postgres(self._world.postgres_processes()[:1])

    def kill_backend(self) -> None:
        """One that serves a connection; Postgres then restarts all of them, as its memory may be broken."""
        served = self._world.query(
            "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
        )
        if served:
            self._kill_of_postgres([self._chance.choice(sorted(row.pid for row in served))])

    def terminate_connections(self) -> None:
        self._world.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname IS NOT NULL AND pid % 2 = :half",
            half=self._chance.randrange(2),
        )

    def cut(self) -> None:
        self._world.proxy.cut()

    def outage(self) -> None:
        self._lasts(self._world.proxy.down(), BRIEF)

    def long_outage(self) -> None:
        self._lasts(self._world.proxy.down(), PAST_LEASE)

    def stall(self) -> None:
        self._lasts(self._world.proxy.stalled(), BRIEF)

    def long_stall(self) -> None:
        self._lasts(self._world.proxy.stalled(), PAST_LEASE)

    def cancel(self) -> None:
        sweep = self._world.post_sweep(f"cancelled {len(self.cancelled)}", LONG)
        self.cancelled.append(sweep)
        time.sleep(self._chance.uniform(0.0, 1.5))
        self._world.call("POST", f"/sweeps/{sweep}/cancel").raise_for_status()

    def extend(self) -> None:
        sweep = self._world.post_sweep(f"extended {len(self.extended)}", EXTENDED)
        self.extended.append(sweep)
        time.sleep(self._chance.uniform(0.0, 1.5))
        wider: dict[str, Any] = {"n_trials": RANDOM["n_trials"]}
        self._world.call("PATCH", f"/sweeps/{sweep}", json=wider).raise_for_status()

    def poison(self) -> None:
        self.poisonous.append(self._world.store_sweep(SMALL, space=POISONOUS_SPACE))

    def _kill_of_postgres(self, pids: list[int]) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, pids)), RECOVERY_SECONDS)
        self._world.query("SELECT 1")

    def _lasts(self, fault: AbstractContextManager[None], seconds: float) -> None:
        def last() -> None:
            with fault:
                time.sleep(seconds)

        thread = threading.Thread(target=last)
        thread.start()
        self._lasting.append(thread)


KINDS: dict[str, tuple[int, Callable[[Faults], None]]] = {
    "a worker killed (kill -9)": (6, Faults.kill_worker),
    "a worker stopped past its lease (SIGSTOP)": (4, Faults.freeze_worker),
    "a worker whose clock is wrong by an hour": (2, Faults.start_with_wrong_clock),
    "a node of Ray killed with its workers, and another added": (2, Faults.kill_node),
    "the server killed (kill -9)": (2, Faults.kill_server),
    "every process of Postgres killed (kill -9)": (1, Faults.kill_postgres),
    "the postmaster killed (kill -9)": (1, Faults.kill_postmaster),
    "a backend of Postgres killed (kill -9)": (1, Faults.kill_backend),
    "half of all connections ended by Postgres": (2, Faults.terminate_connections),
    "all of the workers' connections reset": (3, Faults.cut),
    "the workers' network down, less than a lease": (2, Faults.outage),
    "the workers' network down, longer than a lease": (2, Faults.long_outage),
    "the workers' network silent, less than a lease": (2, Faults.stall),
    "the workers' network silent, longer than a lease": (2, Faults.long_stall),
    "a sweep that no worker can fill with parameters": (1, Faults.poison),
    "a sweep cancelled": (1, Faults.cancel),
    "a sweep extended": (1, Faults.extend),
}


def can_happen(kind: str, fleet: Fleet) -> bool:
    """Whether these workers have what the fault breaks."""
    return ("clock" not in kind or bool(fleet.clocks)) and ("node of Ray" not in kind or isinstance(fleet, RayWorkers))
