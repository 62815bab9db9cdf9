"""Trains complete trials again whose weights were not kept and are now wanted."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial

from app.broker import CallError, FaultError, RefusedError, reason_of
from app.domain.configuration import MLPConfig
from app.domain.datasets import DatasetInfo
from app.domain.memory import ESTIMATE_SLACK
from app.domain.runs import EpochResult, Run
from app.queue.retraining import Retraining
from worker.cohort import run_seed, size_sentence, trial_bytes
from worker.context import Context
from worker.data.datasets import Dataset, DatasetError
from worker.device import memory
from worker.device.products import products
from worker.mlp import weights
from worker.mlp.initializers import Parameters
from worker.mlp.training import train
from worker.retry import retry_while_disconnected
from worker.signals import Stopped

logger = logging.getLogger(__name__)

RETRY_SECONDS = 60.0  # until a trial that could not be trained here is tried again, here or elsewhere
MAX_FAILURES = 3  # of a trial at one worker: what was in the way may pass, or not be in that of another worker
VALUE_TOLERANCE = 1e-6  # values that differ by less are the same


class DivergedError(ArithmeticError):
    """A trial that was complete diverges on this device; the sentence says which of its runs."""


class RetrainingTooLargeError(MemoryError):
    """A trial does not fit in the memory: how much a worker needs at least, and its sizes in a sentence."""

    def __init__(self, memory: int, sentence: str) -> None:
        super().__init__(sentence)
        self.memory = memory


def retrain_one(context: Context, load_dataset: Callable[[DatasetInfo, str], Dataset], failures: Counter[int]) -> bool:
    """Trains one trial that waits for it; False when none does. Raises CallError. `failures`: by trial id, so far.

    Nothing is locked meanwhile. A trial that this worker leaves, because it is told to stop or killed, is taken by
    another one when the lease ends; one that can't be trained here waits, so that another worker may come by, and after
    a few times is given up, or where it does not fit left to a worker with more memory; one whose weights are refused
    is given up. Whoever asks for its model is told why.
    """
    broker, trial = context.broker, context.broker.claim_retraining(context.settings.lease_seconds)
    if trial is None:
        return False
    place = (trial.sweep.id, trial.trial_id)
    logger.info("sweep %d: training trial %d again for its weights", trial.sweep.id, trial.number)
    try:
        with _lease_extended(context, trial), products(trial.sweep.products):
            run_weights = _train(context, trial, load_dataset(trial.sweep.dataset_info, trial.sweep.split))
    except (Stopped, CallError):
        raise
    except RetrainingTooLargeError as error:
        logger.error("sweep %d: trial %d: %s", trial.sweep.id, trial.number, error)
        larger = partial(broker.leave_retraining_to_larger, *place, error.memory, str(error))
        _put_off_or(larger, context, trial, failures)
        return True
    except Exception as error:
        logger.exception("sweep %d: trial %d could not be trained again here", trial.sweep.id, trial.number)
        _put_off_or(partial(broker.give_up_retraining, *place, _reason(error)), context, trial, failures)
        return True
    del failures[trial.trial_id]
    if run_weights is not None:
        _store(context, trial, run_weights)
    return True


def _store(context: Context, trial: Retraining, run_weights: Mapping[int, bytes]) -> None:
    """Stores the weights; where they are refused, says why, and nobody trains the trial for them again.

    Where who answers is at fault, they are made again later.
    """
    broker, place = context.broker, (trial.sweep.id, trial.trial_id)
    try:
        retry_while_disconnected(lambda: broker.store_retrained(*place, run_weights), context.stopping)
    except FaultError as error:
        logger.error("sweep %d: the model of trial %d is not stored yet: %s", trial.sweep.id, trial.number, error)
        _put_off(context, trial, RETRY_SECONDS)
    except RefusedError as error:
        logger.error("sweep %d: the model of trial %d can't be stored: %s", trial.sweep.id, trial.number, error)
        reason = f"it was trained again, and can't be stored: {error}"
        retry_while_disconnected(lambda: broker.give_up_retraining(*place, reason), context.stopping)


def _train(context: Context, trial: Retraining, data: Dataset) -> dict[int, bytes] | None:
    """The weights of each run, by the index of its seed; None when told to stop."""
    config, objective = MLPConfig.from_params(trial.params), trial.sweep.first_objective
    runs = [Run(index, config, run_seed(trial.sweep.seed, index)) for index in trial.values]
    split = data.training_split()
    parameters: dict[Hashable, Parameters] = {}
    last_results: dict[Hashable, EpochResult] = {}
    with (
        _telling_sizes(context, trial, split.shape),
        closing(train(runs, split, final_parameters=parameters)) as training,
    ):
        for results in training:
            last_results |= {result.key: result for result in results}
            if context.stopping.is_set():
                return None
    if diverged := [index for index in trial.values if index not in parameters]:
        raise DivergedError(
            f"runs {', '.join(map(str, diverged))} diverge on {context.device}, where they were complete before"
        )
    values = {index: objective.value_of(last_results[index]) for index in trial.values}
    _log_differences(trial, values)
    layers = {index: weights.in_own_units(parameters[index], split.scaling) for index in values}
    return {index: weights.to_bytes(layers[index], value) for index, value in values.items()}


@contextmanager
def _telling_sizes(context: Context, trial: Retraining, shape: tuple[int, int]) -> Iterator[None]:
    """Raises RetrainingTooLargeError where a trial does not fit, if need be before the system ends the worker."""
    free_bytes = memory.free_memory(context.device)
    size = trial_bytes(trial.sweep, trial, shape, packed=context.device.type != "cpu")
    too_large = RetrainingTooLargeError(size // ESTIMATE_SLACK, size_sentence(trial.sweep, trial, shape, free_bytes))
    if size > ESTIMATE_SLACK * free_bytes:
        raise too_large
    try:
        yield
    except Exception as error:
        if memory.is_out_of_memory(error):
            raise too_large from error
        raise


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, DivergedError | DatasetError) else reason_of(error)


def _put_off_or(end: Callable[[], None], context: Context, trial: Retraining, failures: Counter[int]) -> None:
    """Has the trial wait, so that it is tried again here or elsewhere; after a few failures here it is ended."""
    failures[trial.trial_id] += 1
    if failures[trial.trial_id] < MAX_FAILURES:
        _put_off(context, trial, RETRY_SECONDS)
        return
    del failures[trial.trial_id]
    retry_while_disconnected(end, context.stopping)


@contextmanager
def _lease_extended(context: Context, trial: Retraining) -> Iterator[None]:
    """Keeps other workers away from the trial, also while the data are loaded and in a long epoch."""
    seconds, finished = context.settings.lease_seconds, threading.Event()

    def extend() -> None:
        while not finished.wait(seconds / 3):
            _put_off(context, trial, seconds)

    thread = threading.Thread(target=extend, name="retraining", daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join(timeout=1)


def _log_differences(trial: Retraining, values: dict[int, float]) -> None:
    """Warns of values that are not those of the first training; they go by those, and model files have both."""
    for index, value in values.items():
        if not abs(value - trial.values[index]) <= VALUE_TOLERANCE:
            where = (trial.sweep.id, trial.number, index)
            logger.warning("sweep %d: trial %d, run %d: %.9g where it was %.9g", *where, value, trial.values[index])


def _put_off(context: Context, trial: Retraining, seconds: float) -> None:
    """Moves the time when another worker may begin; where that can't be told two may train it, which does no harm."""
    try:
        context.broker.postpone_retraining(trial.trial_id, seconds)
    except CallError as error:
        logger.warning("training goes on, and others do not know: %s", error)
