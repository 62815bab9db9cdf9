"""Diagnostics are written under the lease, once, and go when what they tell of is trained anew."""

from collections.abc import Sequence

from sqlalchemy import Engine, select

from app import queue
from app.db.engine import transaction
from app.db.tables import Diagnostics, Trial
from app.domain.diagnostics import NetworkDiagnostics
from app.queue.leases import Lease
from app.queue.progress import DiagnosticsPoint, EpochPoint
from app.sweeps import trial_actions
from tests.support.queue_examples import (
    HALVING,
    LEASE_SECONDS,
    change,
    claim,
    create_grid,
    end_leg,
    expire,
    failure,
    finish,
    let_lapse,
    new_worker,
    save_checkpoints,
)

MEASURED = NetworkDiagnostics(
    [0.5], [1.0, float("inf")], [0.0, float("nan")], 3, 0.9, 7, [[0.0] * 5, [float("nan")] * 5]
)


def record(engine: Engine, sweep: int, leases: Sequence[Lease], *epochs: int) -> None:
    """Writes these epochs of the first run of each trial, and what its network did after them."""
    points = [
        EpochPoint(lease.trial_id, 0, epoch, 1, 0.5, 1, 0.5, 0.1) for lease in leases for epoch in epochs if epoch
    ]
    measured = [DiagnosticsPoint(lease.trial_id, 0, epoch, MEASURED) for lease in leases for epoch in epochs]
    with transaction(engine) as session:
        queue.record(session, sweep, dict.fromkeys(leases, max(epochs)), points, LEASE_SECONDS, measured)


def recorded(engine: Engine) -> list[tuple[int, int]]:
    """The trial's number and the epoch of each row."""
    with transaction(engine) as session:
        query = select(Trial.number, Diagnostics.epoch).join(Diagnostics).order_by(Trial.number, Diagnostics.epoch)
        return [(row.number, row.epoch) for row in session.execute(query)]


def test_they_are_written_under_the_lease_and_once(engine: Engine) -> None:
    """What is sent again changes nothing; a trial that is no longer held gets no row."""
    sweep = create_grid(engine, 1, 2, diagnostics=True)
    first, second = claim(engine, new_worker(engine))
    record(engine, sweep, [first.lease, second.lease], 0, 1)
    record(engine, sweep, [first.lease], 0, 1)
    let_lapse(engine, second.lease)
    expire(engine)
    record(engine, sweep, [first.lease, second.lease], 2)
    assert recorded(engine) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    with transaction(engine) as session:
        row = session.scalars(select(Diagnostics)).first()
        assert row is not None
        assert (row.activation_rms, row.gradient_rms) == ([1.0, None], [0.0, None])
        assert row.bottleneck == [[0.0] * 5, [None] * 5]


def test_what_lies_behind_a_checkpoint_is_measured_again(engine: Engine) -> None:
    """A lost trial goes on from epoch 1, another begins anew: rows of later epochs are gone."""
    sweep = create_grid(engine, 1, 2, diagnostics=True)
    first, second = claim(engine, new_worker(engine))
    record(engine, sweep, [first.lease, second.lease], 0, 1, 2)
    save_checkpoints(engine, sweep, [first.lease], 1)
    let_lapse(engine, first.lease, second.lease)
    expire(engine)
    worker = new_worker(engine)
    assert len(claim(engine, worker) + claim(engine, worker)) == 2
    assert recorded(engine) == [(0, 0), (0, 1), (1, 0)]


def test_a_retried_trial_has_none(engine: Engine) -> None:
    """They go with its curve."""
    sweep = create_grid(engine, 1, diagnostics=True)
    worker = new_worker(engine)
    (trial,) = claim(engine, worker)
    record(engine, sweep, [trial.lease], 0, 1)
    finish(engine, sweep, worker, [failure(trial.lease)])
    with transaction(engine) as session:
        trial_actions.retry(session, sweep, trial.number)
    assert recorded(engine) == []


def test_what_lies_behind_a_rung_goes_with_the_curve(engine: Engine) -> None:
    """A trial was promoted and its worker lost, then its sweep stopped: it ends at its rung, and so does all of it."""
    space = {"hidden_units": [1, 2, 3], "epochs": 9}
    sweep = create_grid(engine, space=space, pruner=HALVING, diagnostics=True)
    trials = claim(engine, new_worker(engine))
    record(engine, sweep, [trial.lease for trial in trials], 0, 1)
    end_leg(engine, sweep, {trial.lease: trial.number / 10 for trial in trials})
    (promoted,) = claim(engine, new_worker(engine))
    record(engine, sweep, [promoted.lease], 2)
    let_lapse(engine, promoted.lease)
    expire(engine)
    change(engine, sweep, "stop")
    assert recorded(engine) == [(number, epoch) for number in range(3) for epoch in (0, 1)]
