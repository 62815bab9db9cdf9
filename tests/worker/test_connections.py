"""How many connections a worker holds, whatever it does."""

import pytest
from sqlalchemy import Engine, text

from app.db.engine import transaction
from app.domain.states import SweepState
from tests.support.queue_examples import create_sweep, sweep_of
from tests.support.waiting import wait_until

CONNECTIONS = text("""
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'perceptune worker%'
""")


@pytest.mark.usefixtures("worker")
def test_a_worker_holds_two_connections_at_most(engine: Engine) -> None:
    """While it asks ahead, trains with its heartbeat beside it, and listens for more to do, twice."""
    counts: list[int] = []

    def look(state: SweepState, sweep: int) -> bool:
        with transaction(engine) as session:
            counts.append(session.scalars(CONNECTIONS).one())
        return sweep_of(engine, sweep).state == state and sweep_of(engine, sweep).scored

    for _ in range(2):
        sweep = create_sweep(engine, n_trials=40, sampler={"name": "tpe", "n_startup_trials": 5})
        wait_until(lambda sweep=sweep: look(SweepState.completed, sweep))  # type: ignore[misc]
    assert 1 <= max(counts) <= 2
