"""Trains complete trials again for weights that were not kept."""

import logging
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import closing, contextmanager

from sqlalchemy.exc import DBAPIError

from app.db.engine import first_line, transaction
from app.domain.configuration import MLPConfig
from app.domain.runs import EpochResult, Run
from app.domain.states import WorkerState
from app.queue import retraining
from app.queue.retraining import Retraining
from app.queue.workers import set_worker_state
from worker.cohort import run_seed
from worker.context import Context, Stopped
from worker.data.datasets import Dataset
from worker.mlp import weights
from worker.mlp.initializers import Parameters
from worker.mlp.training import Split, train

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 60.0  # until a trial that could not be trained here is tried again, here or elsewhere
SAME = 1e-6  # values that differ by less are the same


def retrain_one(context: Context, dataset: Callable[[str, str], Dataset]) -> bool:
    """Trains one trial that waits for it; False when none does. Raises DBAPIError.

    Nothing is locked meanwhile. A trial that this worker leaves, because it is told to stop or killed, is taken by
    another one when the lease ends; one that can't be trained here waits, and the log says why.
    """
    with transaction(context.engine) as session:
        found = retraining.claim(session, context.settings.lease_seconds)
        if found is None:
            return False
        set_worker_state(session, context.worker_id, WorkerState.training)
    logger.info("sweep %d: training trial %d again for its weights", found.sweep.id, found.number)
    try:
        with _held(context, found):
            kept = _train(context, found, dataset(found.sweep.dataset, found.sweep.split))
    except (Stopped, DBAPIError):
        raise
    except Exception:
        logger.exception("sweep %d: trial %d could not be trained again here", found.sweep.id, found.number)
        _put_off(context, found, AGAIN_SECONDS)
        return True
    if kept is not None:
        context.retry_while_disconnected(lambda: _store(context, found, kept))
    return True


def _train(context: Context, found: Retraining, data: Dataset) -> dict[int, bytes] | None:
    """The weights of each run, by the index of its seed; None when told to stop."""
    config, metric = MLPConfig.from_params(found.params), found.sweep.metric
    runs = [Run(index, config, run_seed(found.sweep.seed, index)) for index in found.values]
    split = Split(data.train_x, data.train_y, data.val_x, data.val_y, data.classes)
    keep: dict[Hashable, Parameters] = {}
    last: dict[Hashable, EpochResult] = {}
    with closing(train(runs, split, keep=keep)) as training:
        for results in training:
            last |= {result.key: result for result in results}
            if context.stopping.is_set():
                return None
    if diverged := [index for index in found.values if index not in keep]:
        raise ArithmeticError(
            f"runs {', '.join(map(str, diverged))} diverge on this device, where they were complete before"
        )
    values = {index: float(getattr(last[index], metric)) for index in found.values}
    _compare(found, values)
    return {index: weights.to_bytes(keep[index], value) for index, value in values.items()}


@contextmanager
def _held(context: Context, found: Retraining) -> Iterator[None]:
    """Keeps other workers away, also while the data are loaded and in a long epoch."""
    seconds, done = context.settings.lease_seconds, threading.Event()

    def put_off() -> None:
        while not done.wait(seconds / 3):
            _put_off(context, found, seconds)

    thread = threading.Thread(target=put_off, name="retraining", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=1)


def _compare(found: Retraining, values: dict[int, float]) -> None:
    """The file says both values; the recorded one stays what the trial is judged by."""
    for index, value in values.items():
        if not abs(value - found.values[index]) <= SAME:
            where = (found.sweep.id, found.number, index)
            logger.warning("sweep %d: trial %d, run %d: %.9g where it was %.9g", *where, value, found.values[index])


def _put_off(context: Context, found: Retraining, seconds: float) -> None:
    """Without a database two may train it, which does no harm."""
    try:
        with transaction(context.engine) as session:
            retraining.put_off(session, found.trial_id, seconds)
    except DBAPIError as error:
        logger.warning("the database is gone, training goes on: %s", first_line(error))


def _store(context: Context, found: Retraining, kept: dict[int, bytes]) -> None:
    with transaction(context.engine) as session:
        retraining.store(session, found, kept)
