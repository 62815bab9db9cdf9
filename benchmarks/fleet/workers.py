"""Simulated workers: everything that a worker asks of the database, and no training, many of them in a process."""

import multiprocessing
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from app import queue
from app.db.engine import connect, transaction
from app.db.sweep_setups import setup_of
from app.domain.sweep_setup import SweepSetup
from app.queue.claims import ClaimedTrial
from app.queue.progress import EpochPoint, RunResult, TrialResult
from app.search.ask_ahead import ask_ahead_of_claims, has_to_ask, prepare_asking
from app.search.assignment import assign_params
from benchmarks.size.processor import postgres_seconds
from tests.support.queue_examples import new_worker

PROCESSES = 4
MACHINES = 10
SWITCH_SECONDS = 0.0005  # as soon a thread that holds a lock of the database goes on, as its process would
COHORT = queue.MAX_CLAIMED_TRIALS["cpu"]
EPOCHS = 3
LEASE_SECONDS = 30.0
CALLS = ("claim", "record", "finish")


@dataclass(frozen=True)
class Plan:
    """How the workers come: at once again, or each once in `pace` seconds; `settle` seconds are not counted.

    With a sampler the trials have no parameters, and who claims them asks for them.
    """

    workers: int
    seconds: float
    pace: float = 0.0
    sampler: str = ""
    settle: float = 0.0


@dataclass
class Tally:
    """What workers have seen: the milliseconds of each call, the trials that they finished, and claims by sweep."""

    spent: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in CALLS})
    finished: int = 0
    claims: Counter[int] = field(default_factory=Counter)
    idle: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    client_seconds: float = 0.0  # for which processors were at work
    postgres_seconds: float = 0.0

    def add(self, other: "Tally") -> None:
        """Takes in what other workers have seen."""
        for name in CALLS:
            self.spent[name] += other.spent[name]
        self.finished += other.finished
        self.idle += other.idle
        self.claims += other.claims
        self.errors += other.errors
        self.client_seconds += other.client_seconds


class SimulatedWorker:
    """One worker: its life without the training."""

    def __init__(self, engine: Engine, host: str, plan: Plan) -> None:
        self._engine = engine
        self.id: UUID = new_worker(engine, host)
        self._plan, self._ending, self._unaskable = plan, threading.Event(), set[int]()
        self.tally = Tally()
        self._is_counting = False

    def live(self, begin: float) -> None:
        """Works from `begin` on, by the clock of all processes, for as long as the plan says."""
        plan, chance = self._plan, random.Random(self.id.int)
        end = begin + plan.settle + plan.seconds
        due = begin + chance.random() * (plan.pace or 0.2)
        while due < end:
            time.sleep(max(due - time.time(), 0))
            self._is_counting = time.time() >= begin + plan.settle
            try:
                self._turn(due)
            except DBAPIError as error:
                self.tally.errors[type(error.orig).__name__] += 1
            due = max(due + plan.pace, time.time()) if plan.pace else time.time()

    def _turn(self, due: float) -> None:
        """Claims, records and finishes; paced, with a third of the pace between them."""
        with self._timed("claim"):
            claimed = self.claim()
        if claimed is None:
            self.tally.idle += self._is_counting
            time.sleep(0.25)
            return
        sweep_id, trials = claimed
        self.tally.claims[sweep_id] += self._is_counting
        for third, call, work in ((1, "record", self.record), (2, "finish", self.finish)):
            time.sleep(max(due + third * self._plan.pace / 3 - time.time(), 0) if self._plan.pace else 0)
            with self._timed(call):
                ended = work(sweep_id, trials)
        self.tally.finished += ended if self._is_counting else 0

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        started_at = time.perf_counter()
        yield
        if self._is_counting:
            self.tally.spent[name].append((time.perf_counter() - started_at) * 1e3)

    def claim(self) -> tuple[int, list[ClaimedTrial]] | None:
        with transaction(self._engine) as session:
            queue.expire(session)
            must_ask = has_to_ask(session, self._unaskable)
        if must_ask:
            ask_ahead_of_claims(self._engine, self._ending, self._unaskable)
        with transaction(self._engine) as session:
            claimed = queue.claim(session, self.id, COHORT, LEASE_SECONDS)
            setup = setup_of(claimed[0]) if claimed and self._plan.sampler else None
        if claimed is None:
            return None
        return claimed[0].id, claimed[1] if setup is None else self._ask(setup, claimed[1])

    def _ask(self, sweep: SweepSetup, trials: list[ClaimedTrial]) -> list[ClaimedTrial]:
        """For what nobody has asked ahead, and then ahead, which a worker with something to train does beside that."""
        asked = assign_params(self._engine, sweep, trials)
        ask_ahead = prepare_asking(self._engine, self._ending, sweep, COHORT)
        if ask_ahead is not None:
            ask_ahead()
        return asked

    def record(self, sweep_id: int, trials: Sequence[ClaimedTrial], first: int = 1) -> int:
        """Records some epochs of each trial from the first of them on."""
        points = [
            EpochPoint(trial.lease.trial_id, 0, epoch, 1.0, 0.5, 1.0, 0.5, 0.1)
            for trial in trials
            for epoch in range(first, first + EPOCHS)
        ]
        epochs_done = {trial.lease: first + EPOCHS - 1 for trial in trials}
        with transaction(self._engine) as session:
            return len(queue.record(session, sweep_id, epochs_done, points, LEASE_SECONDS))

    def finish(self, sweep_id: int, trials: Sequence[ClaimedTrial]) -> int:
        results = [_result(trial) for trial in trials]
        with transaction(self._engine) as session:
            return len(queue.finish(session, sweep_id, self.id, results, lambda _: {0: b"weights"}))


def _result(trial: ClaimedTrial) -> TrialResult:
    value = random.random()
    return TrialResult(trial.lease, value, None, None, [RunResult(0, value, None, 0.1)])


def work(url: str, plan: Plan, postmaster_pid: int | None = None) -> Tally:
    """Lets so many workers work, in a few processes; returns what all of them have seen.

    With the first process of Postgres also how long processors were at work for it.
    """
    context = multiprocessing.get_context("spawn")
    ready, tallies = context.Barrier(PROCESSES + 1), context.SimpleQueue()
    processes = [context.Process(target=_work, args=(url, plan, n, ready, tallies)) for n in range(PROCESSES)]
    for process in processes:
        process.start()
    whole = Tally()
    ready.wait(120)
    if postmaster_pid is not None:
        whole.postgres_seconds = _spent(plan, partial(postgres_seconds, postmaster_pid))
    for _ in processes:
        whole.add(tallies.get())
    for process in processes:
        process.join()
    return whole


def _spent(plan: Plan, processor_seconds: Callable[[], float]) -> float:
    """How long processors were at work in the seconds that are counted, which it waits for."""
    time.sleep(plan.settle)
    before = processor_seconds()
    time.sleep(plan.seconds)
    return processor_seconds() - before


def _work(url: str, plan: Plan, number: int, ready: Any, tallies: Any) -> None:
    """Every so manieth worker, each in a thread with a connection of its own, once all processes are there."""
    sys.setswitchinterval(SWITCH_SECONDS)
    numbers = range(number, plan.workers, PROCESSES)
    engine = connect(url, "worker", pool_size=2 * len(numbers))
    workers = [SimulatedWorker(engine, f"machine {number % MACHINES}", plan) for number in numbers]
    ready.wait(120)
    begin = time.time()
    with ThreadPoolExecutor(len(workers)) as pool:
        lives = [pool.submit(worker.live, begin) for worker in workers]
        workers[0].tally.client_seconds = _spent(plan, time.process_time)
        for life in lives:
            life.result()
    for worker in workers[1:]:
        workers[0].tally.add(worker.tally)
    tallies.put(workers[0].tally)
