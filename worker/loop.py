"""The life of a worker: it claims trials and trains them, until it is told to stop."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from app.broker import Broker, CallError, Claim, reason_of
from app.config import Settings
from app.domain.datasets import DatasetInfo
from app.domain.sweep_setup import SweepSetup
from app.domain.tasks import TASKS
from app.errors import StartError
from app.queue.claims import MAX_CLAIMED_TRIALS, ClaimedTrial
from app.queue.leases import Lease, TooLargeTrial
from app.search.curve_cache import CurveCache
from worker import cohort, retrain, score, signals, stored_data
from worker.asking_ahead import AskAhead
from worker.context import Context
from worker.data import datasets
from worker.data.datasets import DatasetError
from worker.device import devices, memory
from worker.device.products import choose_products, products
from worker.environment import environment
from worker.legs.train import TrainMLP
from worker.liveness import heartbeat, registration
from worker.mlp.split import Split
from worker.retry import retry_while_disconnected
from worker.signals import Stopped
from worker.tasks.timing import TimedTrial

logger = logging.getLogger(__name__)

POLL_SECONDS = 2.0
WITHOUT_DATA_SECONDS = 10.0  # in which a worker that has the data set can take what this one put back
WITHOUT_ANSWER_SECONDS = 1.0
AFTER_ERROR_SECONDS = 1.0


class Loop:
    """One worker. `run` returns after SIGTERM or SIGINT, with every lease given back."""

    def __init__(self, context: Context, siblings: int = 1) -> None:
        self._context = context
        self._siblings = siblings
        self._datasets: dict[tuple[str, str], datasets.Dataset] = {}
        self._unscorable: set[int] = set()
        self._failures = Counter[int]()  # of trials that were to be trained again
        self._is_idle = True  # as others see it
        self._curves = CurveCache(context.broker)
        self._max_claim = MAX_CLAIMED_TRIALS[context.device.type]
        self._ahead = AskAhead(context, self._max_claim)
        self._environment = environment(context.device, context.products)

    def run(self) -> None:
        context = self._context
        heartbeat_thread = threading.Thread(
            target=heartbeat.keep_alive, args=(context, threading.current_thread()), name="heartbeat", daemon=True
        )
        try:
            registration.sign_on(context)
            heartbeat_thread.start()
            registration.await_siblings(context, self._siblings)
            while not context.stopping.is_set():
                if not self._work_safely():
                    context.broker.wait_for_work(POLL_SECONDS, context.stopping)
        except Stopped:
            pass
        finally:
            signals.end_grace_period()
            context.stopping.set()
            context.broker.stop_waiting()
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
            if context.broker.is_draining():
                self._rest()
                return False
            if score.score_one(context, self._dataset, self._unscorable):
                return True
            # one at a time, so that no sweep starves
            retrained = retrain.retrain_one(context, self._dataset, self._failures)
            if retrained:
                self._is_idle = False
            if context.stopping.is_set():
                return False
            claim = self._claim()
        except CallError as error:
            logger.warning("no work: %s", error)
            self._is_idle = False  # as may be said of it: the next turn without a claim says that it is idle
            context.stopping.wait(WITHOUT_ANSWER_SECONDS)
            return False
        self._is_idle = claim is None
        if claim is not None:
            context.broker.stop_waiting()
            self._train(*claim)
        return retrained or claim is not None

    def _rest(self) -> None:
        """Takes nothing, and says so where others see the worker at work. Raises CallError."""
        if not self._is_idle:
            self._context.broker.note_idle()
        self._is_idle = True

    def _claim(self) -> Claim | None:
        """Some trials of a sweep, leased to this worker; None where none waits. Raises CallError."""
        context = self._context
        limits = self._max_claim, context.settings.lease_seconds
        return context.broker.claim(*limits, self._environment, is_idle=self._is_idle)

    def _train(self, sweep: SweepSetup, trials: Sequence[ClaimedTrial]) -> None:
        """Trains claimed trials; what was not trained of them at the end goes back to the queue."""
        context = self._context
        context.held_leases.take(trial.lease for trial in trials)
        logger.info("sweep %d: %d trials claimed", sweep.id, len(trials))
        try:
            if TASKS[sweep.task].is_timing:
                self._time(sweep, trials)
                return
            with products(sweep.products):
                while trials:
                    trials = self._train_or_halve(sweep, *self._prepare(sweep, trials))
        except Stopped:
            raise
        except cohort.TrialsTooLargeError as error:
            logger.error("sweep %d: %s", sweep.id, error)
            self._leave_to_larger(sweep, error.trials)
        except DatasetError as error:
            logger.error("sweep %d: %s", sweep.id, error)
            self._fail_attempts(sweep, str(error))
            context.stopping.wait(WITHOUT_DATA_SECONDS)
        except Exception as error:
            logger.exception("sweep %d: the cohort could not be trained", sweep.id)
            self._fail_attempts(sweep, reason_of(error))
        finally:
            signals.end_grace_period()
            self._give_back(sweep)
            self._ahead.join()

    def _time(self, sweep: SweepSetup, trials: Sequence[ClaimedTrial]) -> None:
        """Times trials, one after another; a claim of such a sweep holds one."""
        for trial in self._with_params(sweep, trials):
            split = (
                self._dataset(sweep.dataset_info, sweep.split).training_split()
                if TASKS[sweep.task].takes_data
                else None
            )
            TimedTrial(self._context, sweep, trial, split).run()

    def _train_or_halve(
        self, sweep: SweepSetup, trials: Sequence[ClaimedTrial], split: Split
    ) -> Sequence[ClaimedTrial]:
        """Trains the trials and returns none; where memory is lacking, gives back half and returns the other half.

        Raises TrialsTooLargeError when there is not enough for a single one.
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
            raise cohort.TrialsTooLargeError(sweep, unfinished, split.shape, memory.free_memory(context.device))
        going_on = self._at_one_epoch(unfinished[: len(unfinished) // 2])
        numbers = sweep.id, len(unfinished), len(going_on)
        logger.warning("sweep %d: out of memory with %d trials, going on with %d", *numbers)
        going_on_ids = _trial_ids(going_on)
        self._give_back(sweep, only=[trial for trial in unfinished if trial.lease.trial_id not in going_on_ids])
        return going_on

    def _at_one_epoch(self, trials: Sequence[ClaimedTrial]) -> list[ClaimedTrial]:
        """Those of the trials that stand where the first does: of some a checkpoint may have been stored since."""
        context = self._context

        trial_ids = sorted(_trial_ids(trials))
        epochs = retry_while_disconnected(lambda: context.broker.epochs_trained(trial_ids), context.stopping)
        current = [replace(t, epochs_trained=epochs[t.lease.trial_id]) for t in trials if t.lease.trial_id in epochs]
        return [trial for trial in current if trial.epochs_trained == current[0].epochs_trained]

    def _prepare(self, sweep: SweepSetup, trials: Sequence[ClaimedTrial]) -> tuple[list[ClaimedTrial], Split]:
        """The trials with their parameters, as many as fit, and their data."""
        context, shape = self._context, sweep.dataset_info.shape
        ready = self._with_params(sweep, trials)
        data = self._dataset(sweep.dataset_info, sweep.split)
        free_bytes = memory.free_memory(context.device)
        packed = context.device.type != "cpu"
        fitting, rest = cohort.split_by_memory(sweep, ready, shape, free_bytes, packed=packed)
        self._give_back(sweep, only=rest)
        if fitting:
            self._ahead.start(sweep)
        return fitting, data.training_split()

    def _with_params(self, sweep: SweepSetup, trials: Sequence[ClaimedTrial]) -> Sequence[ClaimedTrial]:
        """The trials with their parameters; those for which there is nothing to do are held no longer."""
        context = self._context
        ready = retry_while_disconnected(lambda: context.broker.assign_params(sweep, trials), context.stopping)
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
                datasets.check_fits(info, split, memory.free_memory(device))
                self._datasets[key] = datasets.load_stored(path, info, split, device)
        return self._datasets[key]

    def _give_back(self, sweep: SweepSetup, only: Sequence[ClaimedTrial] | None = None) -> None:
        """Lets trials wait again as if they had not been claimed, all that are held or `only` these."""
        self._release(only, lambda leases: self._context.broker.give_back(sweep.id, leases))

    def _fail_attempts(self, sweep: SweepSetup, reason: str) -> None:
        """Ends an attempt of all trials that are held: they wait again, or fail after the last one."""
        self._release(None, lambda leases: self._context.broker.fail_attempt(sweep.id, leases, reason))

    def _leave_to_larger(self, sweep: SweepSetup, trials: Sequence[TooLargeTrial]) -> None:
        """Leaves trials to workers with more memory; where none has enough, their attempt ends."""
        self._release(trials, lambda _: self._context.broker.leave_to_larger(sweep.id, trials))

    def _release(
        self, trials: Sequence[ClaimedTrial | TooLargeTrial] | None, write: Callable[[Sequence[Lease]], None]
    ) -> None:
        """Has the end of leases written, of all or of these trials, and holds them no longer."""
        context = self._context
        leases = context.held_leases.leases() if trials is None else [trial.lease for trial in trials]
        if not leases:
            return
        try:
            retry_while_disconnected(lambda: write(leases), context.stopping)
        except Stopped:
            logger.warning("nobody can be told: the leases end by themselves")
        finally:  # also where the call was refused: leases that nobody extends end by themselves
            context.held_leases.release(lease.trial_id for lease in leases)


def _trial_ids(trials: Sequence[ClaimedTrial]) -> set[int]:
    return {trial.lease.trial_id for trial in trials}


def run(
    settings: Settings,
    broker_until: Callable[[threading.Event], Broker],
    *,
    parent: int | None = None,
    siblings: int = 1,
) -> None:
    """Runs one worker until SIGTERM or SIGINT; with `parent`, also until that process is gone. Raises StartError.

    `broker_until` gives its broker, which is to end what takes long once the event is set. `siblings`: how many workers
    start together with this one, itself included.
    """
    try:
        device = devices.choose_device(settings.device or "auto")
    except ValueError as error:
        raise StartError(f"PERCEPTUNE_DEVICE={settings.device}: {error}.") from None
    try:
        inexact_products = choose_products(device, tf32=settings.tf32, bf16=settings.bf16)
    except ValueError as error:
        raise StartError(f"PERCEPTUNE_BF16=true: {error}; leave it out.") from None
    if device.type == "cpu":
        devices.use_threads(1)
        devices.flush_denormals()
    stopping = threading.Event()
    context = Context(settings, broker_until(stopping), device, inexact_products, stopping=stopping)
    signals.stop_on_signals(context.stopping)
    if parent is not None:
        signals.stop_without_parent(parent, context.stopping)
    Loop(context, siblings).run()
    context.broker.close()
