"""Legs and checkpoints, on a real Postgres: from which epoch a trial goes on, and whose turn it is."""

from uuid import UUID

import pytest
from sqlalchemy import Engine, select

from app import queue
from app.db.engine import transaction
from app.db.tables import Epoch, Sweep
from app.domain.states import TrialState
from app.queue.leases import Lease
from app.web.upkeep import Upkeep
from tests.support.queue_examples import (
    change,
    checkpointed_ids,
    choose,
    claim,
    create_sweep,
    end_leg,
    expire,
    finish,
    halved,
    let_lapse,
    new_worker,
    record,
    save_checkpoints,
    success,
    trials_of,
)


def epochs_of(engine: Engine, lease: Lease) -> list[int]:
    with transaction(engine) as session:
        return list(session.scalars(select(Epoch.epoch).where(Epoch.trial_id == lease.trial_id).order_by(Epoch.epoch)))


def must_make_room(engine: Engine, sweep: int, worker: UUID) -> bool:
    with transaction(engine) as session:
        return queue.must_make_room(session, sweep, worker)


def test_a_lost_trial_goes_on_from_its_checkpoint(engine: Engine) -> None:
    """What was recorded behind the checkpoint is dropped with the next claim, and the first two losses keep it."""
    sweep, worker = create_sweep(engine, n_trials=1), new_worker(engine)
    (trial,) = claim(engine, worker)
    choose(engine, sweep, [trial])
    for epoch in (1, 2, 3):
        record(engine, sweep, [trial.lease], epoch)
        if epoch == 2:
            assert save_checkpoints(engine, sweep, [trial.lease], epoch) == {trial.lease.trial_id}
    let_lapse(engine, trial.lease)
    expire(engine)
    assert trials_of(engine, sweep)[0].epochs_done == 2
    (again,) = claim(engine, worker)
    assert (again.epochs_trained, again.attempt, again.params) == (2, 2, {"hidden_units": 1, "epochs": 2})
    assert epochs_of(engine, again.lease) == [1, 2]
    with transaction(engine) as session:
        assert queue.load_checkpoints(session, [again.lease.trial_id]) == {again.lease.trial_id: b"after 2"}


def test_the_last_attempt_begins_anew(engine: Engine) -> None:
    """Two attempts broke on the checkpoint, as far as anybody knows: the third does without it."""
    sweep, worker = create_sweep(engine, n_trials=1), new_worker(engine)
    for epochs_trained in (0, 1):
        (trial,) = claim(engine, worker)
        assert trial.epochs_trained == epochs_trained
        record(engine, sweep, [trial.lease], 1)
        save_checkpoints(engine, sweep, [trial.lease], 1)
        with transaction(engine) as session:
            queue.fail_attempt(session, sweep, [trial.lease], "it breaks")
    (last,) = claim(engine, worker)
    assert (last.epochs_trained, last.attempt) == (0, 3)
    assert epochs_of(engine, last.lease) == []


def test_a_given_back_trial_keeps_its_checkpoint(engine: Engine) -> None:
    """As if it had not been claimed, but for what it has learnt."""
    sweep, worker = create_sweep(engine, n_trials=1), new_worker(engine)
    (trial,) = claim(engine, worker)
    record(engine, sweep, [trial.lease], 1)
    save_checkpoints(engine, sweep, [trial.lease], 1)
    with transaction(engine) as session:
        queue.give_back(session, sweep, [trial.lease])
    (row,) = trials_of(engine, sweep)
    assert (row.state, row.attempt, row.epochs_done) == (TrialState.waiting, 0, 1)
    assert claim(engine, worker)[0].epochs_trained == 1


def test_without_the_lease_nothing_is_stored(engine: Engine) -> None:
    """A worker that lost its trial can neither leave a checkpoint nor end a leg."""
    sweep, worker = halved(engine, 1), new_worker(engine)
    (trial,) = claim(engine, worker)
    let_lapse(engine, trial.lease)
    expire(engine)
    assert save_checkpoints(engine, sweep, [trial.lease], 1) == set()
    assert end_leg(engine, sweep, {trial.lease: 0.5}) == set()
    assert checkpointed_ids(engine) == []
    assert trials_of(engine, sweep)[0].rung_means == []


def test_checkpoints_go_with_their_trials(engine: Engine) -> None:
    """Upkeep removes those of ended trials, and no others."""
    sweep, worker = create_sweep(engine, n_trials=2), new_worker(engine)
    trials = claim(engine, worker)
    choose(engine, sweep, trials)
    save_checkpoints(engine, sweep, [trial.lease for trial in trials], 1)
    finish(engine, sweep, worker, [success(trials[0].lease)])
    Upkeep(engine).run()
    assert checkpointed_ids(engine) == [trials[1].lease.trial_id]


def test_a_locked_sweep_does_not_stop_claims_of_others(engine: Engine) -> None:
    """Somebody's transaction hangs on the sweep that would be next: the worker takes the other one."""
    hanging, other = create_sweep(engine, n_trials=1, priority=1), create_sweep(engine, n_trials=1)
    worker = new_worker(engine)
    with engine.connect() as connection, connection.begin():
        connection.execute(select(Sweep.id).where(Sweep.id == hanging).with_for_update())
        (claimed,) = claim(engine, worker)
    assert claimed.lease.trial_id == trials_of(engine, other)[0].id


def test_sweeps_take_turns(engine: Engine) -> None:
    """Of two sweeps none of whose trials runs, the one is next that has waited longer."""
    first, second = create_sweep(engine, n_trials=2), create_sweep(engine, n_trials=2)
    worker = new_worker(engine)
    owners = {trial.id: sweep for sweep in (first, second) for trial in trials_of(engine, sweep)}
    turns = []
    for _ in range(4):
        (trial,) = claim(engine, worker, 1)
        turns.append(owners[trial.lease.trial_id])
        end_leg(engine, turns[-1], {trial.lease: None})
    assert turns == [first, second, first, second]


@pytest.mark.parametrize(("priority", "makes_room"), [(0, True), (1, True), (-1, False)])
def test_a_leg_makes_room_for_a_sweep_that_starves(engine: Engine, priority: int, makes_room: bool) -> None:
    """One of no lower priority none of whose trials runs; no longer once one of them does, or nothing waits."""
    sweep, worker = create_sweep(engine, n_trials=1), new_worker(engine)
    claim(engine, worker)
    assert not must_make_room(engine, sweep, worker)
    create_sweep(engine, n_trials=2, priority=priority)
    assert must_make_room(engine, sweep, worker) == makes_room
    claim(engine, worker, 1)
    assert not must_make_room(engine, sweep, worker)
    change(engine, sweep, "pause")
    assert must_make_room(engine, sweep, worker)


def test_a_leg_makes_no_room_for_what_another_device_has_to_train(engine: Engine) -> None:
    """Only for a sweep that wishes for the worker's own kind, or for none."""
    sweep, worker = create_sweep(engine, n_trials=1), new_worker(engine)
    claim(engine, worker)
    create_sweep(engine, n_trials=1, device="cuda", priority=1)
    assert not must_make_room(engine, sweep, worker)
    create_sweep(engine, n_trials=1, device="cpu")
    assert must_make_room(engine, sweep, worker)


def test_a_sweep_that_stops_makes_no_room(engine: Engine) -> None:
    """Its running trials finish, however many sweeps wait."""
    sweep, worker = create_sweep(engine, n_trials=1), new_worker(engine)
    claim(engine, worker)
    create_sweep(engine, n_trials=1)
    assert must_make_room(engine, sweep, worker)
    change(engine, sweep, "stop")
    assert not must_make_room(engine, sweep, worker)
