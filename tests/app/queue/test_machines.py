"""Who may work on a machine: many that train, or one that times; on real connections."""

from uuid import UUID

import pytest
from sqlalchemy import Engine, func, text, update

from app import queue
from app.db.engine import transaction
from app.db.tables import Worker
from app.domain.states import WorkerState
from app.queue.errors import UnreachableError
from app.queue.machines import is_shared, is_wanted
from tests.support.queue_examples import (
    at_once,
    claim,
    complete,
    create_grid,
    create_timing,
    let_lapse,
    new_worker,
    states,
)


def wanted(engine: Engine, worker: UUID) -> bool:
    with transaction(engine) as session:
        return is_wanted(session, worker)


def shared(engine: Engine, worker: UUID) -> bool:
    with transaction(engine) as session:
        return is_shared(session, worker)


def set_state(engine: Engine, worker: UUID, state: WorkerState) -> None:
    with transaction(engine) as session:
        queue.set_worker_state(session, worker, state)


def test_nothing_begins_beside_a_timing(engine: Engine) -> None:
    """Not another timing, nor training; who trains is asked for room; and all go on once it is over."""
    timings, training = create_timing(engine, 2), create_grid(engine, 8)
    first, second = new_worker(engine), new_worker(engine)
    (trial,) = claim(engine, first)
    assert wanted(engine, second)
    assert not wanted(engine, first)
    assert claim(engine, second) == []
    assert (states(engine, timings), states(engine, training)) == (["running", "waiting"], ["waiting"])
    complete(engine, timings, first, [trial])
    assert not wanted(engine, second)
    assert len(claim(engine, second)) == 1


def test_a_lock_on_the_machine_is_no_fault_of_a_sweep(engine: Engine) -> None:
    """Sweep after sweep would be passed over, each after a wait: the worker comes again instead."""
    create_grid(engine, 1)
    worker = new_worker(engine)
    with engine.connect() as connection, connection.begin():
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('machine/' || host, 0)) FROM workers"))
        with pytest.raises(UnreachableError, match="another worker of this machine"):
            claim(engine, worker)
    assert len(claim(engine, worker)) == 1


def test_another_machine_is_another_matter(engine: Engine) -> None:
    """Workers of other hosts are neither kept from work nor asked for room."""
    create_timing(engine, 2)
    first, elsewhere = new_worker(engine), new_worker(engine, host="elsewhere")
    claim(engine, first)
    assert not wanted(engine, elsewhere)
    assert len(claim(engine, elsewhere)) == 1
    assert not shared(engine, first)


def test_claims_at_the_same_time_are_one_timing(engine: Engine) -> None:
    """However many workers of a machine ask at once for whatever waits."""
    sweeps = [create_timing(engine, 4) for _ in range(4)]
    workers = [new_worker(engine) for _ in range(8)]
    at_once([lambda worker=worker: claim(engine, worker) for worker in workers])  # type: ignore[misc]
    assert sum(states(engine, sweep).count("running") for sweep in sweeps) == 1


def test_a_lost_worker_lets_go(engine: Engine) -> None:
    """With its lease ends what it keeps others from."""
    create_timing(engine, 2)
    first, second = new_worker(engine), new_worker(engine)
    (trial,) = claim(engine, first)
    let_lapse(engine, trial.lease)
    assert not wanted(engine, second)
    assert len(claim(engine, second)) == 1


def test_who_is_at_work_shares_the_machine(engine: Engine) -> None:
    """Until it has nothing more to do, or is not heard of."""
    create_grid(engine, 8)
    first, second = new_worker(engine), new_worker(engine)
    assert not shared(engine, first)
    assert len(claim(engine, second)) == 1
    assert shared(engine, first)
    assert not shared(engine, second)
    set_state(engine, second, WorkerState.idle)
    assert not shared(engine, first)
    set_state(engine, second, WorkerState.training)
    with transaction(engine) as session:
        long_ago = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 1)
        session.execute(update(Worker).where(Worker.id == second).values(last_seen=long_ago))
    assert not shared(engine, first)
