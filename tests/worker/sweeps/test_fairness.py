"""Several sweeps at once on real workers: who waits for whom."""

from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, func, select

from app.db.engine import transaction
from app.domain.states import SweepState, TrialState
from tests.support.queue_examples import create_sweep, states, sweep_of, trials_of
from tests.support.waiting import wait_until
from tests.support.worker_processes import environment, worker_process

COHORT = 64  # the most trials that a worker on a CPU takes at once
SPACE = {"hidden_units": {"low": 4, "high": 12}, "epochs": 6}


def test_no_worker_passes_over_a_short_sweep_that_nobody_trains(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    """Four trials posted behind a thousand wait for the cohorts in training, and for their own."""
    variables, log = environment(database_url, tmp_path), tmp_path / "log"
    with worker_process(variables, log), worker_process(variables, log):
        long = create_sweep(engine, n_trials=1000, space=SPACE)
        wait_until(lambda: TrialState.complete in states(engine, long))
        short = create_sweep(engine, n_trials=4, space=SPACE)
        with transaction(engine) as session:
            posted = session.scalars(select(func.clock_timestamp())).one()
        wait_until(lambda: sweep_of(engine, short).state == SweepState.completed)
    begun = max(trial.started_at for trial in trials_of(engine, short) if trial.started_at)
    passed_over = [
        trial
        for trial in trials_of(engine, long)
        if trial.started_at
        and posted < trial.started_at < begun
        and not _is_in_training(engine, short, trial.started_at)
    ]
    assert len(passed_over) <= COHORT  # a claim may have chosen the long sweep before the short one was posted
    assert states(engine, long).count("waiting") > 1000 - 8 * COHORT


def _is_in_training(engine: Engine, sweep_id: int, moment: datetime) -> bool:
    """Whether a worker trained trials of a completed sweep at a moment."""
    spans = [(trial.started_at, trial.finished_at) for trial in trials_of(engine, sweep_id)]
    return any(started and finished and started <= moment <= finished for started, finished in spans)
