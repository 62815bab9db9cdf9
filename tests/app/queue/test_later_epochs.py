"""What was recorded behind the checkpoint from which a trial goes on, in whichever way it came back to the queue."""

from collections.abc import Callable, Sequence
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from app import queue
from app.db.engine import transaction
from app.queue.claims import ClaimedTrial
from app.queue.leases import Lease, TooLargeTrial
from app.schemas import ContinueTop, RerunTop
from app.sweeps import longer_training, reruns, trial_actions
from tests.app.queue.test_diagnostics import record
from tests.support.queue_examples import (
    LEASE_SECONDS,
    choose,
    claim,
    create_sweep,
    end_leg,
    expire,
    failure,
    finish,
    let_lapse,
    new_worker,
    save_checkpoints,
    success,
)

# Of trials that wait and have had no worker, or had one and wait again: what lies behind their checkpoints. A claim
# removes it; where a trial has had no worker it looks for nothing.
_LATER = text("""
    SELECT t.number, t.worker_id IS NOT NULL AS had_worker FROM trials t
    WHERE t.state = 'waiting' AND (
        EXISTS (SELECT FROM epochs e WHERE e.trial_id = t.id AND e.epoch > t.epochs_trained)
        OR EXISTS (SELECT FROM diagnostics d WHERE d.trial_id = t.id AND d.epoch > t.epochs_trained)
    )
""")
_EPOCHS = text("SELECT epoch FROM epochs WHERE trial_id = :id UNION SELECT epoch FROM diagnostics WHERE trial_id = :id")
_READS = text("""
    SELECT sum(coalesce(seq_scan, 0) + coalesce(idx_scan, 0)) FROM pg_stat_xact_user_tables
    WHERE relname IN ('epochs', 'diagnostics')
""")

_MANY_EPOCHS = text("""
    WITH points AS (SELECT id, epoch FROM trials, generate_series(1, 200) AS epoch), measured AS (
        INSERT INTO diagnostics (trial_id, seed, epoch, dead_share, activation_rms, gradient_rms, distinct_outputs)
        SELECT id, 0, epoch, '{}', '{}', '{}', 1 FROM points
    )
    INSERT INTO epochs (trial_id, seed, epoch, seconds) SELECT id, 0, epoch, 1 FROM points
""")

Way = Callable[[Engine, int, UUID, Lease], object]


def give_back(engine: Engine, sweep: int, _: UUID, lease: Lease) -> None:
    with transaction(engine) as session:
        queue.give_back(session, sweep, [lease])


def give_back_all(engine: Engine, _: int, worker: UUID, __: Lease) -> None:
    with transaction(engine) as session:
        queue.give_back_all(session, worker)


def fail_attempt(engine: Engine, sweep: int, _: UUID, lease: Lease) -> None:
    with transaction(engine) as session:
        queue.fail_attempt(session, sweep, [lease], "an error")


def fail_again(engine: Engine, sweep: int, worker: UUID, lease: Lease) -> None:
    """Given back, and then its sweep could not be claimed from."""
    give_back(engine, sweep, worker, lease)
    with transaction(engine) as session:
        queue.fail_waiting(session, worker, sweep, 1, "an error")


def leave_to_larger(engine: Engine, sweep: int, worker: UUID, lease: Lease) -> None:
    new_worker(engine, memory=2**40)
    with transaction(engine) as session:
        queue.leave_to_larger(session, sweep, worker, [TooLargeTrial(lease, 2**35, "too large")])


def lapse(engine: Engine, _: int, __: UUID, lease: Lease) -> None:
    let_lapse(engine, lease)
    expire(engine)


def end_early(engine: Engine, sweep: int, _: UUID, lease: Lease) -> None:
    end_leg(engine, sweep, {lease: None})


def lose_twice(engine: Engine, sweep: int, worker: UUID, lease: Lease) -> None:
    """The last attempt begins anew, whatever is in the checkpoint."""
    fail_attempt(engine, sweep, worker, lease)
    (again,) = claim(engine, worker)
    record(engine, sweep, [again.lease], 3)
    fail_attempt(engine, sweep, worker, again.lease)


def forget(engine: Engine, sweep: int, worker: UUID, lease: Lease) -> None:
    """Given back by a worker that nobody has heard of for long since."""
    give_back(engine, sweep, worker, lease)
    with transaction(engine) as session:
        session.execute(text("UPDATE workers SET last_seen = last_seen - interval '30 days'"))
        queue.forget_workers(session)


WAYS: Sequence[Way] = (
    give_back,
    give_back_all,
    fail_attempt,
    fail_again,
    leave_to_larger,
    lapse,
    end_early,
    lose_twice,
    forget,
)


def later(engine: Engine) -> list[bool]:
    """Of each waiting trial with something behind its checkpoint whether it has had a worker."""
    with transaction(engine) as session:
        return [row.had_worker for row in session.execute(_LATER)]


def epochs_of(engine: Engine, trial_id: int) -> set[int]:
    with transaction(engine) as session:
        return set(session.scalars(_EPOCHS, {"id": trial_id}))


def claim_and_count(engine: Engine, worker: UUID) -> tuple[list[ClaimedTrial], int]:
    """The trials of a claim, and how often it has looked into what was recorded."""
    with transaction(engine) as session:
        before = session.scalars(_READS).one()  # of earlier transactions, not told to others yet
        claimed = queue.claim(session, worker, 64, LEASE_SECONDS)
        after = session.scalars(_READS).one()
    assert claimed is not None
    return claimed[1], after - before


def begin(engine: Engine, checkpoint: int | None) -> tuple[int, UUID, Lease]:
    """A trial in training with three recorded epochs, and perhaps a checkpoint."""
    sweep, worker = create_sweep(engine, n_trials=1), new_worker(engine)
    (trial,) = claim(engine, worker)
    choose(engine, sweep, [trial])
    record(engine, sweep, [trial.lease], 1, 2, 3)
    if checkpoint is not None:
        save_checkpoints(engine, sweep, [trial.lease], checkpoint)
    return sweep, worker, trial.lease


def fill_with_curves(engine: Engine) -> None:
    """So many epochs of a paused sweep that nobody reads all of them to find a few."""
    create_sweep(engine, n_trials=100)
    with transaction(engine) as session:
        session.execute(text("UPDATE sweeps SET state = 'paused'"))
        session.execute(text("UPDATE trials SET worker_id = gen_random_uuid()"))
        session.execute(_MANY_EPOCHS)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("checkpoint", [None, 2])
def test_what_lies_behind_the_checkpoint_goes_with_the_next_claim(
    engine: Engine, way: Way, checkpoint: int | None
) -> None:
    """Whichever way the trial came back: it is one that has had a worker, and so it is looked for."""
    sweep, worker, lease = begin(engine, checkpoint)
    way(engine, sweep, worker, lease)
    assert later(engine) == [True]
    (trial,) = claim(engine, new_worker(engine, memory=2**40))
    assert trial.epochs_trained == (0 if way is lose_twice else checkpoint or 0)
    assert epochs_of(engine, lease.trial_id) == set(range(1, trial.epochs_trained + 1))


def test_nothing_is_looked_for_where_nobody_was(engine: Engine) -> None:
    """New trials, further seeds, a configuration of one's own, and what goes on from the end of another trial."""
    fill_with_curves(engine)
    sweep, worker = create_sweep(engine, n_trials=2), new_worker(engine)
    trials, reads = claim_and_count(engine, worker)
    assert (len(trials), reads) == (2, 0)
    choose(engine, sweep, trials)
    leases = [trial.lease for trial in trials]
    record(engine, sweep, leases, 1, 2)
    save_checkpoints(engine, sweep, leases, 2)
    finish(engine, sweep, worker, [success(leases[0]), failure(leases[1])])
    with transaction(engine) as session:
        session.execute(text("UPDATE checkpoints SET is_final = true"))
        reruns.rerun_top(session, sweep, RerunTop(k=1, seeds=2))
        trial_actions.enqueue(session, sweep, {"hidden_units": 50, "epochs": 2})
        longer_training.continue_top(session, sweep, ContinueTop(top=1, epochs=9))
        trial_actions.retry(session, sweep, trials[1].number)  # it has had a worker, and nothing is left of that
    assert False not in later(engine)
    groups = [claim_and_count(engine, worker) for _ in range(2)]
    assert {reads for claimed, reads in groups if claimed[0].epochs_trained > 0} == {0}
    assert {claimed[0].epochs_trained: len(claimed) for claimed, _ in groups} == {2: 1, 0: 4}
