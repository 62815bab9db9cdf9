"""Trains complete trials again whose weights were not kept and are now wanted."""

import logging
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import closing, contextmanager

from sqlalchemy.exc import DBAPIError

from app.db.engine import first_line, transaction
from app.domain.configuration import MLPConfig
from app.domain.datasets import DatasetInfo
from app.domain.runs import EpochResult, Run
from app.domain.states import WorkerState
from app.queue import retraining
from app.queue.machines import is_wanted
from app.queue.retraining import Retraining
from app.queue.workers import set_worker_state
from worker.cohort import run_seed
from worker.context import Context
from worker.data.datasets import Dataset
from worker.mlp import weights
from worker.mlp.initializers import Parameters
from worker.mlp.training import train
from worker.retry import retry_while_disconnected
from worker.signals import Stopped

logger = logging.getLogger(__name__)

RETRY_SECONDS = 60.0  # until a trial that could not be trained here is tried again, here or elsewhere
VALUE_TOLERANCE = 1e-6  # values that differ by less are the same


def retrain_one(context: Context, load_dataset: Callable[[DatasetInfo, str], Dataset]) -> bool:
    """Trains one trial that waits for it; False when none does. Raises DBAPIError.

    Nothing is locked meanwhile. A trial that this worker leaves, because it is told to stop or killed, is taken by
    another one when the lease ends; one that can't be trained here waits, and the log says why.
    """
    with transaction(context.engine) as session:
        if is_wanted(session, context.worker_id):
            return False
        trial = retraining.claim(session, context.settings.lease_seconds)
        if trial is None:
            return False
        set_worker_state(session, context.worker_id, WorkerState.training)
    logger.info("sweep %d: training trial %d again for its weights", trial.sweep.id, trial.number)
    try:
        with _lease_extended(context, trial):
            run_weights = _train(context, trial, load_dataset(trial.sweep.dataset_info, trial.sweep.split))
    except (Stopped, DBAPIError):
        raise
    except Exception:
        logger.exception("sweep %d: trial %d could not be trained again here", trial.sweep.id, trial.number)
        _put_off(context, trial, RETRY_SECONDS)
        return True
    if run_weights is not None:
        retry_while_disconnected(lambda: _store(context, trial, run_weights), context.stopping)
    return True


def _train(context: Context, trial: Retraining, data: Dataset) -> dict[int, bytes] | None:
    """The weights of each run, by the index of its seed; None when told to stop."""
    config, objective = MLPConfig.from_params(trial.params), trial.sweep.first_objective
    runs = [Run(index, config, run_seed(trial.sweep.seed, index)) for index in trial.values]
    split = data.training_split()
    parameters: dict[Hashable, Parameters] = {}
    last_results: dict[Hashable, EpochResult] = {}
    with closing(train(runs, split, final_parameters=parameters)) as training:
        for results in training:
            last_results |= {result.key: result for result in results}
            if context.stopping.is_set():
                return None
    if diverged := [index for index in trial.values if index not in parameters]:
        raise ArithmeticError(
            f"runs {', '.join(map(str, diverged))} diverge on this device, where they were complete before"
        )
    values = {index: objective.value_of(last_results[index]) for index in trial.values}
    _log_differences(trial, values)
    layers = {index: weights.in_own_units(parameters[index], split.scaling) for index in values}
    return {index: weights.to_bytes(layers[index], value) for index, value in values.items()}


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
    """Moves the time when another worker may begin; without a database two may train it, which does no harm."""
    try:
        with transaction(context.engine) as session:
            retraining.postpone(session, trial.trial_id, seconds)
    except DBAPIError as error:
        logger.warning("the database is gone, training goes on: %s", first_line(error))


def _store(context: Context, trial: Retraining, run_weights: dict[int, bytes]) -> None:
    with transaction(context.engine) as session:
        retraining.store(session, trial, run_weights)
