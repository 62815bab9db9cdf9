"""What a worker over HTTP costs: the same calls, and the same sweeps, by one at the database and one at the server.

    python -m benchmarks.fleet.over_http --calls 200 --rounds 5

Calls take turns, one of each kind. For the sweeps there is one server and one worker of each kind, of which one is
drained while the other trains; a sweep's time is that from its first claim to its end, by the database's clock.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from app import queue
from app.broker import Broker, DatabaseBroker, WorkerFacts
from app.broker.remote import RemoteBroker
from app.config import Settings
from app.db.engine import transaction
from app.db.tables import Sweep
from app.domain.states import ENDED_SWEEPS
from app.queue.legs import TrialCheckpoint
from app.queue.progress import EpochPoint
from app.schemas import SweepCreate
from app.service.up import Service
from app.sweeps import creation
from tests.support.waiting import wait_until
from tests.support.worker_processes import environment, worker_process, worker_row

SPACE: dict[str, Any] = {
    "hidden_units": {"low": 8, "high": 64},
    "learning_rate": {"low": 0.01, "high": 0.5, "log": True},
    "epochs": 20,
}
SWEEPS: dict[str, dict[str, Any]] = {
    "random, 64 trials": {"sampler": "random", "n_trials": 64},
    "tpe, 64 trials": {"sampler": "tpe", "n_trials": 64},
    "successive halving, 64 trials": {"sampler": "random", "n_trials": 64, "pruner": "successive_halving"},
    "random, 8 trials of one epoch": {"sampler": "random", "n_trials": 8, "space": SPACE | {"epochs": 1}},
}


class Workers:
    """One worker of each kind, of which one works."""

    def __init__(self, engine: Engine, ids: dict[str, UUID]) -> None:
        self._engine, self._ids = engine, ids

    def seconds(self, kind: str, body: dict[str, Any]) -> float:
        """What a sweep takes by this worker alone."""
        with transaction(self._engine) as session:
            for name, worker_id in self._ids.items():
                queue.set_draining(session, worker_id, draining=name != kind)
        with transaction(self._engine) as session:
            full_body = {"name": kind, "dataset": "digits", "space": SPACE} | body
            sweep_id = creation.create(session, SweepCreate.model_validate(full_body)).id
        wait_until(lambda: self._sweep(sweep_id).state in ENDED_SWEEPS, 600)
        sweep = self._sweep(sweep_id)
        wait_until(lambda: self._sweep(sweep_id).scored, 60)
        assert sweep.started_at is not None
        assert sweep.finished_at is not None
        return (sweep.finished_at - sweep.started_at).total_seconds()

    def _sweep(self, sweep_id: int) -> Sweep:
        with transaction(self._engine) as session:
            return session.get_one(Sweep, sweep_id)


@contextmanager
def working(home: Path) -> Iterator[Workers]:
    """A server and both workers, signed on."""
    with ExitStack() as stack:
        service = stack.enter_context(Service(Settings(home=home, port=0, workers=0)))
        url = service.engine.url.render_as_string(hide_password=False)
        variables = {"database": environment(url, home, 30), "http": environment("", home, 30)}
        variables["http"]["PERCEPTUNE_SERVER"] = service.url
        ids = {}
        for kind, of_kind in variables.items():
            process = stack.enter_context(worker_process(of_kind, home / f"{kind}.log"))
            row = wait_until(lambda pid=process.pid: worker_row(service.engine, pid), 120)  # type: ignore[misc]
            assert row is not None
            ids[kind] = row.id
        yield Workers(service.engine, ids)


def time_calls(home: Path, rounds: int) -> None:
    """Prints the medians of some calls, in milliseconds, of 64 trials each."""
    print("| call | database ms | HTTP ms |\n|---|---:|---:|")
    with Service(Settings(home=home, port=0, workers=0)) as service:
        stopping = threading.Event()
        brokers: dict[str, Broker] = {
            "database": DatabaseBroker(service.engine, stopping),
            "http": RemoteBroker(service.url, None, stopping),
        }
        times: dict[str, dict[str, list[float]]] = {}
        for broker in brokers.values():
            broker.sign_on(WorkerFacts("here", 1, "cpu", 1, 1))
        with transaction(service.engine) as session:
            body = {"name": "calls", "dataset": "digits", "space": SPACE, "sampler": "random", "n_trials": 256}
            creation.create(session, SweepCreate.model_validate(body))
        for index in range(rounds + 1):
            for kind, broker in brokers.items():
                for call, seconds in _round(broker):
                    if index > 0:  # the first round warms up
                        times.setdefault(call, {}).setdefault(kind, []).append(seconds * 1e3)
        for call, of_call in times.items():
            medians = [f"{statistics.median(of_call[kind]):.1f}" for kind in brokers]
            print(f"| {call} | {' | '.join(medians)} |", flush=True)
        brokers["http"].close()


def _round(broker: Broker) -> Iterator[tuple[str, float]]:
    """The seconds of each call of one turn: trials are claimed, recorded and given back."""
    started_at = time.perf_counter()
    broker.is_draining()
    yield "is it drained?", time.perf_counter() - started_at
    started_at = time.perf_counter()
    claim = broker.claim(64, 60, {"device": "cpu"}, is_idle=True)
    assert claim is not None
    trials = broker.assign_params(claim.sweep, claim.trials)
    yield "claim and assign", time.perf_counter() - started_at
    leases = [trial.lease for trial in trials]
    points = [EpochPoint(lease.trial_id, 0, epoch, 1, 0.5, 1, 0.5, 0.1) for lease in leases for epoch in (1, 2, 3)]
    started_at = time.perf_counter()
    broker.record(claim.sweep.id, dict.fromkeys(leases, 3), points, 60)
    yield "record three epochs", time.perf_counter() - started_at
    started_at = time.perf_counter()
    broker.heartbeat(leases, 60, 0.0)
    yield "heartbeat", time.perf_counter() - started_at
    checkpoints = [TrialCheckpoint(lease, 1, 1, bytes(100_000)) for lease in leases]
    started_at = time.perf_counter()
    broker.save_checkpoints(claim.sweep.id, checkpoints)
    yield "store 6.4 MB of checkpoints", time.perf_counter() - started_at
    started_at = time.perf_counter()
    broker.give_back(claim.sweep.id, leases)
    yield "give back", time.perf_counter() - started_at


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200, help="rounds of calls")
    parser.add_argument("--rounds", type=int, default=5, help="of sweeps")
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="perceptune-", dir="/tmp"))
    home.chmod(0o755)
    if options.calls:
        time_calls(home, options.calls)
    if options.rounds:
        time_sweeps(home, options.rounds)


def time_sweeps(home: Path, rounds: int) -> None:
    """Prints the medians of the times of sweeps, and of the ratios of two that came one after the other."""
    print("| sweep | database s | HTTP s | ratio | load |\n|---|---:|---:|---:|---:|")
    with working(home) as workers:
        for name, body in SWEEPS.items():
            times: dict[str, list[float]] = {"database": [], "http": []}
            for index in range(rounds + 1):
                for kind in sorted(times, reverse=index % 2 == 1):
                    seconds = workers.seconds(kind, body)
                    if index > 0:  # the first round warms up
                        times[kind].append(seconds)
            ratio = statistics.median(b / a for a, b in zip(times["database"], times["http"], strict=True))
            medians = [f"{statistics.median(of_kind):.3f}" for of_kind in times.values()]
            row = [name, *medians, f"{ratio:.2f}", f"{os.getloadavg()[0]:.1f}"]
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
