"""The life of a worker: claim, ask, train, record, until it is told to stop."""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Sequence
from types import FrameType

import torch
from sqlalchemy.exc import DBAPIError

from app import queue
from app.config import Settings
from app.db.engine import connect, first_line, is_gone, transaction
from app.db.migrations import is_migrated
from app.db.tables import Sweep, Worker
from app.domain.datasets import DATASETS
from app.domain.states import WorkerState
from app.errors import StartError
from app.queue.claims import ClaimedTrial
from app.search.ask_ahead import AskAhead, fill_next
from app.search.assignment import fill_in
from app.search.curve_cache import CurveCache
from worker import cohort, retrain, score
from worker.context import Context, Stopped
from worker.data import datasets
from worker.data.datasets import DatasetError
from worker.device import devices, memory
from worker.environment import environment
from worker.mlp.training import Split
from worker.notifications import Listener
from worker.train import TrainMLP

logger = logging.getLogger(__name__)

POLL_SECONDS = 2.0
SIBLING_SECONDS = 10.0
WITHOUT_DATA_SECONDS = 10.0  # in which a worker that has the data set can take what this one put back
GRACE_SECONDS = 7.0  # an epoch that takes longer after SIGTERM is given up, so that the worker ends within 10 s


class Loop:
    """One worker. `run` returns after SIGTERM or SIGINT, with every lease given back."""

    def __init__(self, context: Context, siblings: int = 1) -> None:
        self._context = context
        self._siblings = siblings
        self._datasets: dict[tuple[str, str], datasets.Dataset] = {}
        self._unscorable: set[int] = set()
        self._state = WorkerState.idle
        self._curves = CurveCache(context.engine)
        self._ahead = AskAhead(context.engine, context.stopping)
        self._environment = environment(context.device)

    def run(self) -> None:
        context = self._context
        beat = threading.Thread(target=self._heartbeat, name="heartbeat", daemon=True)
        try:
            context.retry_while_disconnected(self._check_tables)
            context.retry_while_disconnected(self._register)
            beat.start()
            self._await_siblings()
            with Listener(context.engine) as wakeup:
                while not context.stopping.is_set():
                    if not self._work():
                        wakeup.wait(POLL_SECONDS, context.stopping)
        except Stopped:
            pass
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            context.stopping.set()
            if beat.is_alive():
                beat.join(timeout=1)
            self._sign_off()

    def _check_tables(self) -> None:
        with transaction(self._context.engine) as session:
            if not is_migrated(session):
                raise StartError("The tables are not those of this version: run `perceptune db upgrade`.")

    def _register(self) -> None:
        context = self._context
        row = Worker(
            id=context.worker_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            device=devices.device_name(context.device),
            threads=torch.get_num_threads(),
            memory=memory.free_memory(context.device),
        )
        with transaction(context.engine) as session:
            queue.register(session, row)

    def _await_siblings(self) -> None:
        """Workers that start together share the first sweep: the quickest must not claim it before the others exist."""
        context, until = self._context, time.monotonic() + SIBLING_SECONDS

        def live() -> int:
            with transaction(context.engine) as session:
                return queue.live_workers(session)

        while time.monotonic() < until and context.retry_while_disconnected(live) < self._siblings:
            if context.stopping.wait(0.1):
                return

    def _work(self) -> bool:
        """Scores a sweep, or trains a trial again and a cohort; False when nothing is to do, or no database to ask."""
        context = self._context
        try:
            if score.score_one(context, self._dataset, self._unscorable):
                return True
            again = retrain.retrain_one(context, self._dataset)  # one at a time, so that no sweep starves
            if again:
                self._state = WorkerState.training
            if context.stopping.is_set():
                return False
            with transaction(context.engine) as session:
                queue.expire(session)
            fill_next(context.engine, context.stopping)
            with transaction(context.engine) as session:
                limit = cohort.MAX_TRIALS[context.device.type]
                claim = queue.claim(session, context.worker_id, limit, context.settings.lease_seconds)
                if claim is not None:
                    queue.note_environment(claim[0], self._environment)
                if claim is None and self._state != WorkerState.idle:
                    queue.set_worker_state(session, context.worker_id, WorkerState.idle)
        except DBAPIError as error:
            logger.warning("the database %s: %s", "is gone" if is_gone(error) else "refused", first_line(error))
            context.stopping.wait(1)
            return False
        self._state = WorkerState.idle if claim is None else WorkerState.training
        if claim is not None:
            self._train(*claim)
        return again or claim is not None

    def _train(self, sweep: Sweep, trials: Sequence[ClaimedTrial]) -> None:
        """Trains claimed trials; whatever is left of them at the end goes back to the queue."""
        context = self._context
        context.held_leases.take(trial.lease for trial in trials)
        logger.info("sweep %d: %d trials claimed", sweep.id, len(trials))
        try:
            left: Sequence[ClaimedTrial] = trials
            while left:
                left = self._train_half(sweep, *self._prepare(sweep, left))
        except Stopped:
            raise
        except cohort.TooLargeError as error:
            logger.error("sweep %d: %s", sweep.id, error)
            self._release(sweep, str(error), only=[error.trial])
        except DatasetError as error:
            logger.error("sweep %d: %s", sweep.id, error)
            self._release(sweep, str(error))
            context.stopping.wait(WITHOUT_DATA_SECONDS)
        except Exception as error:
            logger.exception("sweep %d: the cohort could not be trained", sweep.id)
            words = first_line(error) if isinstance(error, DBAPIError) else str(error)
            self._release(sweep, f"{type(error).__name__}: {words}")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)  # the end is near, and must not be cut short
            self._release(sweep)
            self._ahead.join()

    def _train_half(self, sweep: Sweep, trials: Sequence[ClaimedTrial], split: Split) -> Sequence[ClaimedTrial]:
        """Trains all of them; where memory is lacking, gives back half of those that are left, and returns the others.

        Raises TooLargeError when a single one is left.
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
        held = [trial for trial in trials if trial.lease.trial_id in context.held_leases]
        if len(held) == 1:
            shape = split.train_x.shape[1], split.classes
            raise cohort.TooLargeError(sweep, held[0], shape, memory.free_memory(context.device))
        half = len(held) // 2
        logger.warning("sweep %d: out of memory with %d trials, going on with %d", sweep.id, len(held), half)
        self._release(sweep, only=held[half:])
        return held[:half]

    def _prepare(self, sweep: Sweep, trials: Sequence[ClaimedTrial]) -> tuple[list[ClaimedTrial], Split]:
        """The trials with their parameters, as many as fit, and their data."""
        context, shape = self._context, DATASETS[sweep.dataset].shape

        filled = context.retry_while_disconnected(lambda: fill_in(context.engine, sweep, trials))
        context.held_leases.release({trial.lease.trial_id for trial in trials} - {one.lease.trial_id for one in filled})
        data = self._dataset(sweep.dataset, sweep.split)
        free = memory.free_memory(context.device)
        kept, rest = cohort.split_by_memory(sweep, filled, shape, free)
        self._release(sweep, only=rest)
        if kept:
            context.retry_while_disconnected(lambda: self._ahead.start(sweep))
        return kept, Split(data.train_x, data.train_y, data.val_x, data.val_y, data.classes)

    def _dataset(self, name: str, split: str) -> datasets.Dataset:
        """Loaded once; only the last one is kept."""
        if (name, split) not in self._datasets:
            self._datasets.clear()
            home, place = self._context.settings.home, self._context.device
            self._datasets[name, split] = datasets.load(name, split, home=home, device=place)
        return self._datasets[name, split]

    def _release(self, sweep: Sweep, reason: str | None = None, only: Sequence[ClaimedTrial] | None = None) -> None:
        """Gives leases back, all or `only` these; with a reason the attempt counts, and the last fails the trial."""
        context = self._context
        leases = context.held_leases.leases() if only is None else [trial.lease for trial in only]
        if not leases:
            return

        def write() -> None:
            with transaction(context.engine) as session:
                if reason is None:
                    queue.give_back(session, sweep.id, leases)
                else:
                    queue.drop(session, sweep.id, leases, reason)

        try:
            context.retry_while_disconnected(write)
        except Stopped:
            logger.warning("the database is gone: the leases end by themselves")
        context.held_leases.release(lease.trial_id for lease in leases)

    def _heartbeat(self) -> None:
        """Keeps the leases alive while an epoch takes long, and says that the worker lives."""
        context = self._context
        while not context.stopping.wait(min(context.settings.lease_seconds / 3, 15)):
            leases = context.held_leases.leases()
            try:
                with transaction(context.engine) as session:
                    held = queue.heartbeat(session, context.worker_id, leases, context.settings.lease_seconds)
            except DBAPIError as error:
                logger.warning("no heartbeat, the database is gone: %s", first_line(error))
                continue
            context.held_leases.keep_only(leases, held)

    def _sign_off(self) -> None:
        try:
            with transaction(self._context.engine) as session:
                queue.set_worker_state(session, self._context.worker_id, WorkerState.stopped)
        except DBAPIError as error:
            logger.warning("could not sign off: %s", first_line(error))


def run(settings: Settings, *, parent: int | None = None, siblings: int = 1) -> None:
    """Runs one worker until SIGTERM or SIGINT; with `parent`, also until that process is gone. Raises StartError.

    `siblings`: how many workers start together with this one, itself included.
    """
    assert settings.database_url is not None
    try:
        chosen = devices.choose_device(settings.device or "auto")
    except ValueError as error:
        raise StartError(f"PERCEPTUNE_DEVICE={settings.device}: {error}.") from None
    devices.use_tf32(settings.tf32)
    if chosen.type == "cpu":
        devices.use_threads(1)
    context = Context(settings, connect(settings.database_url, pool_size=3), chosen)
    _stop_on_signal(context)
    if parent is not None:
        threading.Thread(target=_stop_without, args=(parent, context), daemon=True).start()
    Loop(context, siblings).run()
    context.engine.dispose()


def _stop_on_signal(context: Context) -> None:
    def stop(number: int, _: FrameType | None) -> None:
        logger.info("%s: finishing the epoch", signal.Signals(number).name)
        context.stopping.set()
        signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)

    def give_up(_: int, __: FrameType | None) -> None:
        raise Stopped

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGALRM, give_up)


def _stop_without(parent: int, context: Context) -> None:
    """A worker that `perceptune up` started ends with it, also when that was killed."""
    while not context.stopping.wait(1):
        if os.getppid() != parent:
            logger.warning("the process that started this worker is gone")
            os.kill(os.getpid(), signal.SIGTERM)
            return
