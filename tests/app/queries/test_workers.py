"""How fast workers train, by what they have trained in the last minutes."""

import pytest
from sqlalchemy import Engine, text

from app.db.engine import transaction
from app.queries.workers import list_workers
from tests.support.queue_examples import (
    HALVING,
    choose,
    claim,
    create_sweep,
    end_leg,
    failure,
    finish,
    new_worker,
    record,
    success,
)

EXAMPLES = 1150  # of the digits that an epoch trains on

TRAINED_FOR = """
    UPDATE trials
    SET started_at = finished_at - CASE WHEN state = 'pruned' THEN interval '500 s' ELSE interval '10 s' END
"""


def test_waiting_at_a_rung_is_no_training(engine: Engine) -> None:
    """Trials that end there long after they were trained make their worker no slower."""
    space = {"hidden_units": [4, 8, 16, 32], "epochs": 2}
    sweep, worker = create_sweep(engine, space=space, n_trials=4, pruner=HALVING), new_worker(engine)
    trials = claim(engine, worker)
    choose(engine, sweep, trials)
    record(engine, sweep, [trial.lease for trial in trials])
    *others, diverged = trials
    finish(engine, sweep, worker, [failure(diverged.lease)])
    end_leg(engine, sweep, {trial.lease: 0.1 * trial.number for trial in others})
    (best,) = claim(engine, worker)
    record(engine, sweep, [best.lease], 2)
    finish(engine, sweep, worker, [success(best.lease)])
    with transaction(engine) as session:
        session.execute(text(TRAINED_FOR))
    with transaction(engine) as session:
        assert [listed.examples_per_second for listed in list_workers(session)] == [pytest.approx(EXAMPLES / 10)]
