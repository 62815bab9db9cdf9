"""Several sweeps at once on real workers: who waits for whom."""

from pathlib import Path

from sqlalchemy import Engine, func, select

from app.db.engine import transaction
from app.domain.states import SweepState, TrialState
from tests.support.queue_examples import create_sweep, states, sweep_of, trials_of
from tests.support.waiting import wait_until
from tests.support.worker_processes import environment, worker_process

COHORT = 64  # the most trials that a worker on a CPU takes at once
SPACE = {"hidden_units": {"low": 4, "high": 12}, "epochs": 6}


def test_a_short_sweep_behind_a_long_one_is_done_after_two_cohorts(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    """Four trials posted behind a thousand wait for the cohorts in training, and for one more at most."""
    variables, log = environment(database_url, tmp_path), tmp_path / "log"
    with worker_process(variables, log), worker_process(variables, log):
        long = create_sweep(engine, n_trials=1000, space=SPACE)
        wait_until(lambda: TrialState.complete in states(engine, long), 120)
        short = create_sweep(engine, n_trials=4, space=SPACE)
        with transaction(engine) as session:
            posted = session.scalars(select(func.clock_timestamp())).one()
        wait_until(lambda: sweep_of(engine, short).state == SweepState.completed, 120)
    begun = [trial.started_at for trial in trials_of(engine, short) if trial.started_at]
    between = [
        trial for trial in trials_of(engine, long) if trial.started_at and posted < trial.started_at < max(begun)
    ]
    assert len(begun) == 4
    assert len(between) <= COHORT  # one worker may go on with the long sweep while the other one has half of the short
    assert states(engine, long).count("waiting") > 1000 - 8 * COHORT
