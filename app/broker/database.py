"""The broker of a worker that reaches the database: each call is one short transaction there."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from uuid import UUID, uuid4

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app import queue
from app.broker.broker import Claim, WorkerFacts
from app.broker.notifications import Listener
from app.db import datasets
from app.db.engine import connect, transaction
from app.db.migrations import is_migrated
from app.db.sweep_setups import setup_of
from app.db.tables import Sweep, Worker
from app.domain.states import WorkerState
from app.domain.sweep_setup import SweepSetup
from app.errors import StartError
from app.lifecycle import sweep_row
from app.queue import machines, retraining, scoring
from app.queue.claims import ClaimedTrial
from app.queue.errors import UnreachableError, call_errors, reason_of, storable
from app.queue.leases import Lease, TooLargeTrial
from app.queue.legs import LegResult, TrialCheckpoint
from app.queue.picking import blaming
from app.queue.progress import DiagnosticsPoint, EpochPoint, TrialResult
from app.queue.retraining import Retraining
from app.queue.scoring import Scores, Unscored
from app.search import curve_cache
from app.search.ask_ahead import ask_ahead_of_claims, has_to_ask, prepare_asking
from app.search.assignment import assign_params
from app.search.curve_cache import TrialSnapshot, Values

logger = logging.getLogger(__name__)

# One for what the worker does and its heartbeat, whose transactions are short; another while it listens, or asks ahead.
MAX_CONNECTIONS = 2
CONNECTION_SECONDS = 60.0  # in which one of them becomes free, also while large checkpoints are stored


def database_broker(url: str, stopping: threading.Event) -> "DatabaseBroker":
    """The broker of a new worker, with connections of its own; asking the sampler ends once the event is set."""
    engine = connect(url, "worker", pool_size=MAX_CONNECTIONS, max_overflow=0, pool_seconds=CONNECTION_SECONDS)
    return DatabaseBroker(engine, stopping)


@dataclass(frozen=True)
class PassedOver:
    """The ids of sweeps that were at fault before, and are passed over by those who share this."""

    unaskable: set[int] = field(default_factory=set)
    unclaimable: set[int] = field(default_factory=set)


class DatabaseBroker:
    """The broker of one worker, on its own few connections."""

    def __init__(
        self,
        engine: Engine,
        stopping: threading.Event,
        worker_id: UUID | None = None,
        passed_over: PassedOver | None = None,
    ) -> None:
        self._engine, self._stopping = engine, stopping
        self._worker_id = worker_id or uuid4()
        self._passed_over = passed_over or PassedOver()
        self._listener = Listener(engine)
        self._lost_claims = 0

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A transaction of the worker's. Raises CallError."""
        with call_errors(), transaction(self._engine) as session:
            yield session

    @property
    def worker_id(self) -> UUID:
        return self._worker_id

    def setup(self, sweep_id: int) -> SweepSetup:
        """The sweep as its workers know it. Raises NotFoundError."""
        with self.transaction() as session:
            return setup_of(sweep_row.get(session, sweep_id))

    def check(self) -> None:
        with self.transaction() as session:
            if not is_migrated(session):
                raise StartError("The tables are not those of this version: run `perceptune db upgrade`.")

    def sign_on(self, facts: WorkerFacts) -> None:
        with self.transaction() as session:
            queue.register(session, Worker(id=self._worker_id, **asdict(facts)))

    def sign_off(self) -> None:
        with self.transaction() as session:
            queue.set_worker_state(session, self._worker_id, WorkerState.stopped)

    def live_workers(self) -> int:
        with self.transaction() as session:
            return queue.live_workers(session)

    def heartbeat(
        self, leases: Sequence[Lease], lease_seconds: float, examples_per_second: float, speed: float | None = None
    ) -> set[int]:
        with self.transaction() as session:
            return queue.heartbeat(session, self._worker_id, leases, lease_seconds, examples_per_second, speed)

    def is_draining(self) -> bool:
        with self.transaction() as session:
            return queue.is_draining(session, self._worker_id)

    def note_idle(self) -> None:
        with self.transaction() as session:
            queue.set_worker_state(session, self._worker_id, WorkerState.idle)

    def close(self) -> None:
        self._listener.rest()
        self._engine.dispose()

    def wait_for_work(self, seconds: float, stopping: threading.Event) -> None:
        self._listener.wait(seconds, stopping)

    def stop_waiting(self) -> None:
        self._listener.rest()

    def claim(
        self, max_trials: int, lease_seconds: float, environment: Mapping[str, str], *, is_idle: bool
    ) -> Claim | None:
        try:
            return self.claim_after(self._lost_claims, max_trials, lease_seconds, environment, is_idle=is_idle)
        except UnreachableError:
            self._lost_claims += 1  # it may have come true all the same
            raise

    def claim_after(
        self,
        lost_claims: int,
        max_trials: int,
        lease_seconds: float,
        environment: Mapping[str, str],
        *,
        is_idle: bool,
    ) -> Claim | None:
        """Claims as a worker that has given up so many claims: what those took goes back first."""
        if lost_claims:
            self._give_back_lost(lost_claims)
        with self.transaction() as session:
            queue.expire(session)
            must_ask = has_to_ask(session, self._passed_over.unaskable)
        if must_ask:
            with call_errors():
                ask_ahead_of_claims(self._engine, self._stopping, self._passed_over.unaskable)
        leave_out = set(self._passed_over.unclaimable)
        limits = max_trials, lease_seconds
        while True:
            try:
                with self.transaction() as session:
                    claimed_trials = queue.claim(session, self._worker_id, *limits, leave_out, lost_claims)
                    if claimed_trials is not None:
                        return _claim(*claimed_trials, environment)
                    if not is_idle:
                        queue.set_worker_state(session, self._worker_id, WorkerState.idle)
                    return None
            except queue.UnclaimableError as error:
                self._fail_waiting(error, max_trials)
                leave_out.add(error.sweep_id)  # until the next turn: others don't wait until all its trials have failed

    def _give_back_lost(self, lost_claims: int) -> None:
        """Puts back what claims took whose answers never came: first those that go on are ended, then all is seen."""
        with self.transaction() as session:
            has_lost_more = queue.note_lost_claims(session, self._worker_id, lost_claims)
        if has_lost_more:
            with self.transaction() as session:
                queue.give_back_all(session, self._worker_id)

    def _fail_waiting(self, error: queue.UnclaimableError, max_trials: int) -> None:
        """Counts an error of a claim against the sweep's next trials, or, where that fails as well, leaves it out."""
        sweep_id, reason = error.sweep_id, storable(reason_of(error.__cause__))
        logger.error("sweep %d: nothing can be claimed", sweep_id, exc_info=error.__cause__)
        try:
            with self.transaction() as session:
                queue.fail_waiting(session, self._worker_id, sweep_id, max_trials, reason)
        except UnreachableError:
            raise
        except Exception:
            logger.exception("sweep %d: it is passed over", sweep_id)
            self._passed_over.unclaimable.add(sweep_id)

    def assign_params(self, sweep: SweepSetup, trials: Sequence[ClaimedTrial]) -> list[ClaimedTrial]:
        with call_errors():
            return assign_params(self._engine, sweep, trials)

    def prepare_asking(self, sweep: SweepSetup, max_trials: int) -> Callable[[], None] | None:
        with call_errors():
            return prepare_asking(self._engine, self._stopping, sweep, max_trials)

    def give_back(self, sweep_id: int, leases: Sequence[Lease]) -> None:
        with self.transaction() as session:
            queue.give_back(session, sweep_id, leases)

    def fail_attempt(self, sweep_id: int, leases: Sequence[Lease], reason: str) -> None:
        with self.transaction() as session:
            queue.fail_attempt(session, sweep_id, leases, storable(reason))

    def leave_to_larger(self, sweep_id: int, trials: Sequence[TooLargeTrial]) -> None:
        with self.transaction() as session:
            storable_trials = [replace(trial, reason=storable(trial.reason)) for trial in trials]
            queue.leave_to_larger(session, sweep_id, self._worker_id, storable_trials)

    def record(
        self,
        sweep_id: int,
        epochs_done: Mapping[Lease, int],
        points: Sequence[EpochPoint],
        lease_seconds: float,
        diagnostics: Sequence[DiagnosticsPoint] = (),
    ) -> set[int]:
        with self.transaction() as session:
            return queue.record(session, sweep_id, epochs_done, points, lease_seconds, diagnostics)

    def finish(
        self,
        sweep_id: int,
        results: Sequence[TrialResult],
        weights: Callable[[int], Mapping[int, bytes]],
        final_checkpoint: Callable[[int], TrialCheckpoint | None] | None = None,
    ) -> set[int]:
        with self.transaction() as session:
            return queue.finish(session, sweep_id, self._worker_id, results, weights, final_checkpoint)

    def end_leg(self, sweep_id: int, results: Sequence[LegResult]) -> set[int]:
        with self.transaction() as session:
            return queue.end_leg(session, sweep_id, results)

    def must_make_room(self, sweep_id: int) -> bool:
        with self.transaction() as session:
            return queue.must_make_room(session, sweep_id, self._worker_id) or machines.is_wanted(
                session, self._worker_id
            )

    def is_machine_shared(self) -> bool:
        with self.transaction() as session:
            return machines.is_shared(session, self._worker_id)

    def load_checkpoints(self, trial_ids: Sequence[int]) -> Mapping[int, bytes]:
        with self.transaction() as session:
            return queue.load_checkpoints(session, trial_ids)

    def save_checkpoints(self, sweep_id: int, checkpoints: Sequence[TrialCheckpoint]) -> set[int]:
        with self.transaction() as session:
            return queue.save_checkpoints(session, sweep_id, checkpoints)

    def epochs_trained(self, trial_ids: Sequence[int]) -> Mapping[int, int]:
        with self.transaction() as session:
            return queue.epochs_trained(session, trial_ids)

    def means_at_rung(self, trial_id: int) -> Sequence[float]:
        with self.transaction() as session:
            return queue.means_at_rung(session, trial_id)

    def trial_snapshots(self, sweep: SweepSetup) -> Sequence[TrialSnapshot]:
        with self.transaction() as session:
            return curve_cache.read_snapshots(session, sweep.id)

    def values_after(self, sweep: SweepSetup, known_epochs: Mapping[int, int]) -> Mapping[int, Values]:
        with self.transaction() as session:
            return curve_cache.read_values_after(session, sweep.metric, known_epochs)

    def claim_retraining(self, lease_seconds: float) -> Retraining | None:
        with self.transaction() as session:
            if machines.is_wanted(session, self._worker_id):
                return None
            trial = retraining.claim(session, self._worker_id, lease_seconds)
            if trial is not None:
                queue.set_worker_state(session, self._worker_id, WorkerState.training)
            return trial

    def postpone_retraining(self, trial_id: int, seconds: float) -> None:
        with self.transaction() as session:
            retraining.postpone(session, trial_id, seconds)

    def store_retrained(self, sweep_id: int, trial_id: int, weights: Mapping[int, bytes]) -> None:
        with self.transaction() as session:
            retraining.store(session, sweep_id, trial_id, weights)

    def leave_retraining_to_larger(self, sweep_id: int, trial_id: int, memory: int, reason: str) -> None:
        with self.transaction() as session:
            place = sweep_id, trial_id, self._worker_id
            retraining.leave_to_larger(session, *place, memory, storable(reason))

    def give_up_retraining(self, sweep_id: int, trial_id: int, reason: str) -> None:
        with self.transaction() as session:
            retraining.give_up(session, sweep_id, trial_id, storable(reason))

    def next_unscored(self, leave_out: Sequence[int]) -> Unscored | None:
        with self.transaction() as session:
            return scoring.next_unscored(session, leave_out)

    def load_weights(self, trial_id: int, seed: int) -> bytes | None:
        with self.transaction() as session:
            return scoring.load_weights(session, trial_id, seed)

    def request_weights(self, unscored: Unscored) -> None:
        with self.transaction() as session:
            scoring.request_weights(session, unscored)

    def write_scores(self, unscored: Unscored, scores: Mapping[int, Scores]) -> None:
        with self.transaction() as session:
            scoring.write(session, unscored, scores)

    def dataset_pieces(self, content_hash: str) -> Iterator[bytes]:
        for number in count():
            with self.transaction() as session:
                piece = datasets.piece(session, content_hash, number)
            if piece is None:
                return
            yield piece


def _claim(sweep: Sweep, trials: Sequence[ClaimedTrial], environment: Mapping[str, str]) -> Claim:
    """The claim of these trials; the sweep notes what computes them. Raises UnclaimableError."""
    queue.note_environment(sweep, environment)
    with blaming(sweep.id):
        return Claim(setup_of(sweep), trials)
