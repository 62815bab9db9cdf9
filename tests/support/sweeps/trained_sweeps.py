"""Sweeps while workers train them, and whether they came out whole."""

from collections import Counter

from sqlalchemy import Engine, select

from app.db.engine import transaction
from app.db.tables import Epoch, Trial, Worker
from app.domain.states import ENDED_SWEEPS, SweepState, TrialState
from tests.support.queue_examples import runs_of, sweep_of, trials_of


def are_done(engine: Engine, sweeps: list[int]) -> bool:
    """Whether all of these sweeps have ended."""
    return all(sweep_of(engine, sweep).state in ENDED_SWEEPS for sweep in sweeps)


def assert_whole(engine: Engine, sweep: int, seeds: int, epochs: int) -> None:
    """Every trial is complete with one result: each run once, each epoch of each run once."""
    assert sweep_of(engine, sweep).state == SweepState.completed
    trials = trials_of(engine, sweep)
    assert [(trial.state, trial.error) for trial in trials] == [(TrialState.complete, None)] * len(trials)
    assert Counter(run.trial_id for run in runs_of(engine, sweep)) == {trial.id: seeds for trial in trials}
    with transaction(engine) as session:
        points = session.execute(
            select(Epoch.trial_id, Epoch.seed, Epoch.epoch).join(Trial).where(Trial.sweep_id == sweep)
        )
        expected_points = {
            (trial.id, trial.first_seed + seed, epoch)
            for trial in trials
            for seed in range(seeds)
            for epoch in range(1, epochs + 1)
        }
        assert {tuple(point) for point in points} == expected_points


def training(engine: Engine, sweeps: list[int]) -> dict[int, list[Trial]]:
    """The running trials by the process id of the worker that has recorded epochs of them."""
    with transaction(engine) as session:
        workers = select(Worker.pid, Trial).join(Trial, Trial.worker_id == Worker.id)
        rows = session.execute(workers.where(Trial.sweep_id.in_(sweeps), Trial.state == TrialState.running)).all()
    by_worker: dict[int, list[Trial]] = {}
    for pid, trial in rows:
        by_worker.setdefault(pid, []).append(trial)
    return {pid: trials for pid, trials in by_worker.items() if any(trial.epochs_done for trial in trials)}
