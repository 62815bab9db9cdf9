"""Scores the chosen trial of a completed sweep on the test images: once, at the end, and no other trial."""

import logging
from collections.abc import Callable, Sequence

from safetensors.torch import load
from sqlalchemy.exc import DBAPIError

from app import trial_queue
from app.db import first_line, transaction
from app.models import Run, Trial
from worker.cohort import run_config
from worker.context import Context
from worker.datasets import Dataset, DatasetError
from worker.initializers import Layer, Parameters
from worker.training import score

logger = logging.getLogger(__name__)


def score_one(context: Context, dataset: Callable[[str, str], Dataset], unscorable: list[int]) -> bool:
    """Scores one sweep that waits for it; False when none does. `unscorable` are those that failed here before."""
    sweep_id = None
    try:
        with transaction(context.engine) as session:
            sweep = trial_queue.unscored(session, unscorable)
            if sweep is None:
                return False
            sweep_id = sweep.id
            runs = trial_queue.weights_of_best(session, sweep)
            if sweep.split != "book" and runs:  # `book` has validated on the test images already
                trial = session.get_one(Trial, runs[0].trial_id)
                _score(runs, trial, dataset(sweep.dataset, sweep.split), context)
            trial_queue.scored(session, sweep, runs)
    except DBAPIError as error:
        logger.warning("not scored, the database is gone: %s", first_line(error))
        return False
    except (DatasetError, RuntimeError):
        logger.exception("sweep %s could not be scored", sweep_id)
        unscorable.extend([sweep_id] if sweep_id is not None else [])
    return True


def _score(runs: Sequence[Run], trial: Trial, data: Dataset, context: Context) -> None:
    config = run_config(trial.params or {})
    for run in runs:
        if run.weights is not None:
            layers = _layers(run.weights, context)
            run.test_accuracy = score(config, layers, data.test_x, data.test_y).accuracy


def _layers(weights: bytes, context: Context) -> Parameters:
    tensors = {name: tensor.to(context.device) for name, tensor in load(weights).items()}
    return [Layer(tensors[f"{index}.weight"], tensors[f"{index}.bias"]) for index in range(len(tensors) // 2)]
