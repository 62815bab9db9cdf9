"""Sweeps whose trials ended with values that a test names."""

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

from sqlalchemy import Engine

from app import queue
from app.db.engine import transaction
from app.domain.states import WorkerState
from app.queue.progress import RunResult, TrialResult
from tests.support.queue_examples import claim, create_grid, finish, new_worker


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
