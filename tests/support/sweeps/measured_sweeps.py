"""Sweeps whose trials ended with values that a test names."""

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

from sqlalchemy import Engine, text

from app import queue
from app.db.engine import transaction
from app.domain.states import WorkerState
from app.queue.progress import RunResult, TrialResult
from app.schemas import SweepCreate
from app.sweeps import creation
from tests.support.queue_examples import claim, create_grid, finish, new_worker

# Trial 0 for 4 epochs: its seed 0 is best after 2, its seed 1 stopped after 2. Trial 1 for 2 epochs.
_FINISH = """
    INSERT INTO epochs (trial_id, seed, epoch, train_loss, val_loss, val_accuracy, seconds)
        SELECT t.id, e.seed, e.epoch, 1.0, 1 - e.accuracy, e.accuracy, 0.1 FROM trials t JOIN (VALUES
            (0, 0, 1, 0.1), (0, 0, 2, 0.8), (0, 0, 3, 0.5), (0, 0, 4, 0.7), (0, 1, 1, 0.2), (0, 1, 2, 0.6),
            (1, 0, 1, 0.3), (1, 0, 2, 0.4), (1, 1, 1, 0.3), (1, 1, 2, 0.4)
        ) AS e (number, seed, epoch, accuracy) ON e.number = t.number WHERE t.sweep_id = :sweep;
    INSERT INTO runs (trial_id, seed, state, value, seconds)
        SELECT DISTINCT ON (e.trial_id, e.seed) e.trial_id, e.seed, CAST('complete' AS run_state), e.val_accuracy, 1
        FROM epochs e JOIN trials t ON t.id = e.trial_id WHERE t.sweep_id = :sweep
        ORDER BY e.trial_id, e.seed, e.epoch DESC;
    UPDATE trials SET state = 'complete', epochs_done = 4, finished_at = now(),
        value = (SELECT avg(value) FROM runs WHERE trial_id = trials.id) WHERE sweep_id = :sweep
"""


def a_sweep_with_epochs(engine: Engine) -> int:
    """A grid of two trials with two runs each, whose epochs are those above; a loss is what lacks of the accuracy."""
    body = {
        "name": "values",
        "dataset": "digits",
        "space": {"epochs": [4, 2], "learning_rate": 0.1},
        "seeds": 2,
        "sampler": "grid",
    }
    with transaction(engine) as session:
        sweep = creation.create(session, SweepCreate.model_validate(body)).id
        for statement in _FINISH.split(";"):
            session.execute(text(statement), {"sweep": sweep})
    return sweep


def a_sweep(engine: Engine, values: Sequence[Sequence[float | None]], **body: Any) -> int:
    """A grid whose trials ended with these values of their runs; None diverged."""
    sweep = create_grid(engine, *range(1, len(values) + 1), seeds=len(values[0]), **body)
    end(engine, sweep, values)
    return sweep


def end(engine: Engine, sweep: int, values: Sequence[Sequence[float | None]]) -> None:
    """Claims what waits and ends it, in the order of the numbers."""
    worker = new_worker(engine)
    trials = claim(engine, worker)
    ended = []
    for trial, figures in zip(sorted(trials, key=lambda trial: trial.number), values, strict=True):
        finite = [figure for figure in figures if figure is not None]
        whole = len(finite) == len(figures)
        runs = [
            RunResult(seed, figure, None if figure is not None else "diverged at epoch 1", 0.1)
            for seed, figure in enumerate(figures)
        ]
        ended.append(
            TrialResult(
                trial.lease,
                fmean(finite) if whole else None,
                stdev(finite) if whole and len(finite) > 1 else None,
                None if whole else "diverged at epoch 1",
                runs,
            )
        )
    assert len(finish(engine, sweep, worker, ended)) == len(values)
    with transaction(engine) as session:  # or it would have a share of what comes next
        queue.set_worker_state(session, worker, WorkerState.stopped)
