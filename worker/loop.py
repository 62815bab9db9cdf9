"""The life of a worker: it claims trials and trains them, until it is told to stop."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app import queue
from app.config import Settings
from app.db.engine import connect, first_line, is_gone, transaction
from app.db.tables import Sweep
from app.domain.datasets import DatasetInfo
from app.domain.states import WorkerState
from app.domain.tasks import TASKS
from app.errors import StartError
from app.queue.claims import ClaimedTrial
from app.queue.leases import Lease
from app.search.ask_ahead import AskAhead, ask_ahead_of_claims
from app.search.assignment import assign_params
from app.search.curve_cache import CurveCache
from worker import cohort, retrain, score, signals, stored_data
from worker.context import Context
from worker.data import datasets
from worker.data.datasets import DatasetError
from worker.device import devices, memory
from worker.environment import environment
from worker.legs.train import TrainMLP
from worker.liveness import heartbeat, registration
from worker.mlp.split import Split
from worker.notifications import Listener
from worker.retry import retry_while_disconnected
from worker.signals import Stopped
from worker.tasks.timing import TimedTrial

logger = logging.getLogger(__name__)

POLL_SECONDS = 2.0
WITHOUT_DATA_SECONDS = 10.0  # in which a worker that has the data set can take what this one put back
WITHOUT_DATABASE_SECONDS = 1.0
AFTER_ERROR_SECONDS = 1.0
# One for what the worker does and its heartbeat, whose transactions are short; another while it listens, or asks ahead.
MAX_CONNECTIONS = 2
CONNECTION_SECONDS = 60.0  # in which one of them becomes free, also while large checkpoints are stored
MAX_REASON_LENGTH = 2_000  # characters of an error that are stored with each trial


class Loop:
    """One worker. `run` returns after SIGTERM or SIGINT, with every lease given back."""

    def __init__(self, context: Context, siblings: int = 1) -> None:
        self._context = context
        self._siblings = siblings
        self._datasets: dict[tuple[str, str], datasets.Dataset] = {}
        self._unscorable: set[int] = set()
        self._unaskable: set[int] = set()
        self._unclaimable: set[int] = set()
        self._state = WorkerState.idle
        self._curves = CurveCache(context.engine)
        self._max_claim = queue.MAX_CLAIMED_TRIALS[context.device.type]
        self._ahead = AskAhead(context.engine, context.stopping, self._max_claim)
        self._environment = environment(context.device)
        self._listener = Listener(context.engine)

    def run(self) -> None:
        context = self._context
        heartbeat_thread = threading.Thread(
            target=heartbeat.keep_alive, args=(context, threading.current_thread()), name="heartbeat", daemon=True
        )
        try:
            registration.sign_on(context)
            heartbeat_thread.start()
            registration.await_siblings(context, self._siblings)
            with self._listener:
                while not context.stopping.is_set():
                    if not self._work_safely():
                        self._listener.wait(POLL_SECONDS, context.stopping)
        except Stopped:
            pass
        finally:
            signals.end_grace_period()
            context.stopping.set()
            if heartbeat_thread.is_alive():
                heartbeat_thread.join(timeout=1)
            registration.sign_off(context)

    def _work_safely(self) -> bool:
        """One turn, of which no error ends the process: whatever it was, the next turn may be another sweep's."""
        try:
            return self._work()
        except Stopped:
            raise
        except Exception:
            logger.exception("a turn of work was given up")
            self._context.stopping.wait(AFTER_ERROR_SECONDS)
            return False

    def _work(self) -> bool:
        """One turn: scores a sweep; else retrains one trial and trains a cohort. True where there was work."""
        context = self._context
        try:
            if self._is_draining():
                return False
            if score.score_one(context, self._dataset, self._unscorable):
                return True
            retrained = retrain.retrain_one(context, self._dataset)  # one at a time, so that no sweep starves
            if retrained:
                self._state = WorkerState.training
            if context.stopping.is_set():
                return False
            claim = self._claim()
        except DBAPIError as error:
            logger.warning("the database %s: %s", "is gone" if is_gone(error) else "refused", first_line(error))
            self._state = (
                WorkerState.training
            )  # as its row may say: the next turn without a claim writes that it is idle
            context.stopping.wait(WITHOUT_DATABASE_SECONDS)
            return False
        self._state = WorkerState.idle if claim is None else WorkerState.training
        if claim is not None:
            self._listener.rest()
            self._train(*claim)
        return retrained or claim is not None

    def _is_draining(self) -> bool:
        """Whether the worker is to take nothing, which leaves it idle. Raises DBAPIError."""
        context = self._context
        with transaction(context.engine) as session:
            if not queue.is_draining(session, context.worker_id):
                return False
            if self._state != WorkerState.idle:
                queue.set_worker_state(session, context.worker_id, WorkerState.idle)
        self._state = WorkerState.idle
        return True

    def _claim(self) -> tuple[Sweep, Sequence[ClaimedTrial]] | None:
        """A sweep with some of its trials, leased to this worker; None where none waits. Raises DBAPIError."""
        context = self._context
        with transaction(context.engine) as session:
            queue.expire(session)
        ask_ahead_of_claims(context.engine, context.stopping, self._unaskable)
        limits = self._max_claim, context.settings.lease_seconds
        try:
            with transaction(context.engine) as session:
                claim = queue.claim(session, context.worker_id, *limits, leave_out=self._unclaimable)
                if claim is not None:
                    queue.note_environment(claim[0], self._environment)
                elif self._state != WorkerState.idle:
                    queue.set_worker_state(session, context.worker_id, WorkerState.idle)
        except queue.UnclaimableError as error:
            self._fail_waiting(error)
            return None
        return claim

    def _fail_waiting(self, error: queue.UnclaimableError) -> None:
        """Counts an error of a claim against the sweep's next trials, or, where that fails as well, leaves it out."""
        context, sweep_id = self._context, error.sweep_id
        logger.error("sweep %d: nothing can be claimed", sweep_id, exc_info=error.__cause__)
        try:
            with transaction(context.engine) as session:
                queue.fail_waiting(session, context.worker_id, sweep_id, self._max_claim, _reason(error.__cause__))
        except Exception as second_error:
            if isinstance(second_error, DBAPIError) and is_gone(second_error):
                raise
            logger.exception("sweep %d: it is passed over", sweep_id)
            self._unclaimable.add(sweep_id)

    def _train(self, sweep: Sweep, trials: Sequence[ClaimedTrial]) -> None:
        """Trains claimed trials; what was not trained of them at the end goes back to the queue."""
        context = self._context
        context.held_leases.take(trial.lease for trial in trials)
        logger.info("sweep %d: %d trials claimed", sweep.id, len(trials))
        try:
            if TASKS[sweep.task].is_timing:
                self._time(sweep, trials)
                return
            while trials:
                trials = self._train_or_halve(sweep, *self._prepare(sweep, trials))
        except Stopped:
            raise
        except cohort.TooLargeError as error:
            logger.error("sweep %d: %s", sweep.id, error)
            self._fail_attempts(sweep, str(error), only=[error.trial])
        except DatasetError as error:
            logger.error("sweep %d: %s", sweep.id, error)
            self._fail_attempts(sweep, str(error))
            context.stopping.wait(WITHOUT_DATA_SECONDS)
        except Exception as error:
            logger.exception("sweep %d: the cohort could not be trained", sweep.id)
            self._fail_attempts(sweep, _reason(error))
        finally:
            signals.end_grace_period()
            self._give_back(sweep)
            self._ahead.join()

    def _time(self, sweep: Sweep, trials: Sequence[ClaimedTrial]) -> None:
        """Times trials, one after another; a claim of such a sweep holds one."""
        for trial in self._with_params(sweep, trials):
            split = (
                self._dataset(sweep.dataset_info, sweep.split).training_split()
                if TASKS[sweep.task].takes_data
                else None
            )
            TimedTrial(self._context, sweep, trial, split).run()

    def _train_or_halve(self, sweep: Sweep, trials: Sequence[ClaimedTrial], split: Split) -> Sequence[ClaimedTrial]:
        """Trains the trials and returns none; where memory is lacking, gives back half and returns the other half.

        Raises TooLargeError when there is not enough for a single one.
        """
        context = self._context
        if not trials:
            return []
        try:
            TrainMLP(context, sweep, trials, split, self._curves).run()
            return []
        except Exception as error:
            if not memory.is_out_of_memory(error):
                raise
        # here the error is gone, and with it what its traceback held
        unfinished = [trial for trial in trials if trial.lease.trial_id in context.held_leases]
        if len(unfinished) == 1:
            shape = split.shape
            raise cohort.TooLargeError(sweep, unfinished[0], shape, memory.free_memory(context.device))
        going_on = self._at_one_epoch(unfinished[: len(unfinished) // 2])
        numbers = sweep.id, len(unfinished), len(going_on)
        logger.warning("sweep %d: out of memory with %d trials, going on with %d", *numbers)
        going_on_ids = _trial_ids(going_on)
        self._give_back(sweep, only=[trial for trial in unfinished if trial.lease.trial_id not in going_on_ids])
        return going_on

    def _at_one_epoch(self, trials: Sequence[ClaimedTrial]) -> list[ClaimedTrial]:
        """Those of the trials that stand where the first does: of some a checkpoint may have been stored since."""
        context = self._context

        def read() -> dict[int, int]:
            with transaction(context.engine) as session:
                return queue.epochs_trained(session, _trial_ids(trials))

        epochs = retry_while_disconnected(read, context.stopping)
        current = [replace(t, epochs_trained=epochs[t.lease.trial_id]) for t in trials if t.lease.trial_id in epochs]
        return [trial for trial in current if trial.epochs_trained == current[0].epochs_trained]

    def _prepare(self, sweep: Sweep, trials: Sequence[ClaimedTrial]) -> tuple[list[ClaimedTrial], Split]:
        """The trials with their parameters, as many as fit, and their data."""
        context, shape = self._context, sweep.dataset_info.shape
        ready = self._with_params(sweep, trials)
        data = self._dataset(sweep.dataset_info, sweep.split)
        free_bytes = memory.free_memory(context.device)
        packed = context.device.type != "cpu"
        fitting, rest = cohort.split_by_memory(sweep, ready, shape, free_bytes, packed=packed)
        self._give_back(sweep, only=rest)
        if fitting:
            retry_while_disconnected(lambda: self._ahead.start(sweep), context.stopping)
        return fitting, data.training_split()

    def _with_params(self, sweep: Sweep, trials: Sequence[ClaimedTrial]) -> Sequence[ClaimedTrial]:
        """The trials with their parameters; those for which there is nothing to do are held no longer."""
        context = self._context
        ready = retry_while_disconnected(lambda: assign_params(context.engine, sweep, trials), context.stopping)
        context.held_leases.release(_trial_ids(trials) - _trial_ids(ready))
        return ready

    def _dataset(self, info: DatasetInfo, split: str) -> datasets.Dataset:
        """Loaded once; only the last one stays in memory."""
        key = (info.content_hash or info.name, split)
        if key not in self._datasets:
            self._datasets.clear()
            home, device = self._context.settings.home, self._context.device
            if info.content_hash is None:
                self._datasets[key] = datasets.load(info.name, split, home=home, device=device)
            else:
                path = stored_data.fetch(self._context, info.content_hash)
                self._datasets[key] = datasets.load_stored(path, info, split, device)
        return self._datasets[key]

    def _give_back(self, sweep: Sweep, only: Sequence[ClaimedTrial] | None = None) -> None:
        """Lets trials wait again as if they had not been claimed, all that are held or `only` these."""
        self._release(only, lambda session, leases: queue.give_back(session, sweep.id, leases))

    def _fail_attempts(self, sweep: Sweep, reason: str, only: Sequence[ClaimedTrial] | None = None) -> None:
        """Ends an attempt of trials, all that are held or `only` these: they wait again, or fail after the last one."""
        self._release(only, lambda session, leases: queue.fail_attempt(session, sweep.id, leases, _storable(reason)))

    def _release(
        self, trials: Sequence[ClaimedTrial] | None, write: Callable[[Session, Sequence[Lease]], None]
    ) -> None:
        """Has the end of leases written, of all or of these trials, and holds them no longer."""
        context = self._context
        leases = context.held_leases.leases() if trials is None else [trial.lease for trial in trials]
        if not leases:
            return

        def write_in_transaction() -> None:
            with transaction(context.engine) as session:
                write(session, leases)

        try:
            retry_while_disconnected(write_in_transaction, context.stopping)
        except Stopped:
            logger.warning("the database is gone: the leases end by themselves")
        finally:  # also where the statement raised an error: leases that nobody extends end by themselves
            context.held_leases.release(lease.trial_id for lease in leases)


def _reason(error: BaseException | None) -> str:
    """An error as it is stored with the trials against which it counts."""
    message = first_line(error) if isinstance(error, DBAPIError) else str(error)
    return _storable(f"{type(error).__name__}: {message}")


def _storable(reason: str) -> str:
    return reason.replace("\0", "")[:MAX_REASON_LENGTH]  # Postgres has no U+0000


def _trial_ids(trials: Sequence[ClaimedTrial]) -> set[int]:
    return {trial.lease.trial_id for trial in trials}


def run(settings: Settings, *, parent: int | None = None, siblings: int = 1) -> None:
    """Runs one worker until SIGTERM or SIGINT; with `parent`, also until that process is gone. Raises StartError.

    `siblings`: how many workers start together with this one, itself included.
    """
    assert settings.database_url is not None
    try:
        device = devices.choose_device(settings.device or "auto")
    except ValueError as error:
        raise StartError(f"PERCEPTUNE_DEVICE={settings.device}: {error}.") from None
    devices.use_tf32(settings.tf32)
    if device.type == "cpu":
        devices.use_threads(1)
        devices.flush_denormals()
    engine = connect(
        settings.database_url, "worker", pool_size=MAX_CONNECTIONS, max_overflow=0, pool_seconds=CONNECTION_SECONDS
    )
    context = Context(settings, engine, device)
    signals.stop_on_signals(context.stopping)
    if parent is not None:
        signals.stop_without_parent(parent, context.stopping)
    Loop(context, siblings).run()
    context.engine.dispose()
