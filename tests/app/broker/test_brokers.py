"""The broker in the database and the one over HTTP: the same calls have the same effects, and come to the same."""

import threading
from uuid import uuid4

import pytest
from sqlalchemy import Engine, QueuePool, select

from app.broker import Broker, DatabaseBroker, remote, wire
from app.broker.remote import RemoteBroker
from app.db import datasets
from app.db.engine import transaction
from app.db.tables import Checkpoint, Run, StoredDataset, Worker
from app.domain.states import TrialState, WorkerState
from app.queue.leases import Lease
from app.queue.legs import LegResult, TrialCheckpoint
from app.queue.progress import EpochPoint
from app.search.curve_cache import TrialSnapshot
from tests.support.brokers import ENVIRONMENT, FACTS, NewBroker, claimed
from tests.support.queue_examples import (
    LEASE_SECONDS,
    count_epochs,
    create_grid,
    create_sweep,
    halved,
    runs_of,
    states,
    success,
    trials_of,
)


def checked_out(engine: Engine) -> int:
    """How many connections are in use."""
    assert isinstance(engine.pool, QueuePool)
    return engine.pool.checkedout()


def points(leases: list[Lease], epoch: int) -> list[EpochPoint]:
    return [EpochPoint(lease.trial_id, 0, epoch, 1.0, 0.5, 1.0, 0.25, 0.1) for lease in leases]


def test_a_sweep_comes_to_its_end(broker: Broker, engine: Engine) -> None:
    """Claimed, recorded twice and finished twice: each epoch and each result is there once, the best with weights."""
    sweep = create_grid(engine, 1, 2, 3)
    claim = claimed(broker)
    assert (claim.sweep.id, claim.sweep.dataset_info.name) == (sweep, "digits")
    assert [trial.params for trial in claim.trials] == [{"hidden_units": width, "epochs": 2} for width in (1, 2, 3)]
    leases = [trial.lease for trial in claim.trials]
    ids = {lease.trial_id for lease in leases}
    for _ in range(2):
        assert broker.record(sweep, dict.fromkeys(leases, 1), points(leases, 1), LEASE_SECONDS) == ids
    assert (count_epochs(engine), broker.heartbeat(leases, LEASE_SECONDS, 5.0)) == (3, ids)
    results = [success(lease, value) for lease, value in zip(leases, (0.5, 0.75, 0.25), strict=True)]
    best_id = leases[1].trial_id

    def weights(trial_id: int) -> dict[int, bytes]:
        return {0: f"weights of {trial_id}".encode()}

    def checkpoint(trial_id: int) -> TrialCheckpoint | None:
        lease = next(lease for lease in leases if lease.trial_id == trial_id)
        return TrialCheckpoint(lease, 1, 1, b"checkpoint") if trial_id == best_id else None

    assert broker.finish(sweep, results, weights, checkpoint) == ids
    assert broker.finish(sweep, results, weights, checkpoint) == set()
    assert states(engine, sweep) == ["complete"] * 3
    assert len(runs_of(engine, sweep)) == 3
    with transaction(engine) as session:
        stored = session.execute(select(Run.trial_id, Run.weights).where(Run.weights.is_not(None))).all()
        assert list(session.scalars(select(Checkpoint.trial_id))) == [best_id]
        assert session.get_one(Worker, broker.worker_id).trials_done == 3
    assert [tuple(row) for row in stored] == [(best_id, weights(best_id)[0])]
    unscored = broker.next_unscored([])
    assert unscored is not None
    assert (unscored.trial_id, unscored.seeds) == (best_id, [0])
    assert broker.load_weights(best_id, 0) == weights(best_id)[0]
    assert broker.load_weights(best_id, 1) is None
    broker.write_scores(unscored, {0: {"test_accuracy": 0.625}})
    assert broker.next_unscored([]) is None


def test_a_token_that_is_not_the_trial_s_changes_nothing(broker: Broker, engine: Engine) -> None:
    """Whatever is written under it, the answer leaves the trial out."""
    sweep = create_grid(engine, 1)
    (trial,) = claimed(broker).trials
    stale = Lease(trial.lease.trial_id, uuid4())
    assert broker.heartbeat([stale], LEASE_SECONDS, 0.0) == set()
    assert broker.record(sweep, {stale: 1}, points([stale], 1), LEASE_SECONDS) == set()
    assert broker.save_checkpoints(sweep, [TrialCheckpoint(stale, 1, 1, b"checkpoint")]) == set()
    assert broker.end_leg(sweep, [LegResult(stale, None)]) == set()
    assert broker.finish(sweep, [success(stale)], lambda _: {0: b"weights"}, lambda _: None) == set()
    broker.give_back(sweep, [stale])
    broker.fail_attempt(sweep, [stale], "no reason")
    assert (states(engine, sweep), count_epochs(engine)) == (["running"], 0)


def test_a_leg_ends_and_goes_on(broker: Broker, engine: Engine) -> None:
    """With the checkpoint, to the byte, from which the next claim goes on; curves and means are there for pruners."""
    sweep = halved(engine, 3)
    claim = claimed(broker)
    leases = [trial.lease for trial in claim.trials]
    assert [trial.rung_epoch for trial in claim.trials] == [1] * 3
    broker.record(sweep, dict.fromkeys(leases, 1), points(leases, 1), LEASE_SECONDS)
    contents = {lease.trial_id: bytes([lease.trial_id % 256]) * 5000 for lease in leases}
    checkpoints = [TrialCheckpoint(lease, 1, 1, contents[lease.trial_id]) for lease in leases]
    assert broker.save_checkpoints(sweep, checkpoints) == set(contents)
    assert broker.epochs_trained(list(contents)) == dict.fromkeys(contents, 1)
    assert broker.end_leg(sweep, [LegResult(lease, 0.5) for lease in leases]) == set(contents)
    (promoted,) = claimed(broker).trials
    assert (promoted.epochs_trained, promoted.rung_epoch) == (1, 3)
    assert broker.load_checkpoints([promoted.lease.trial_id]) == {
        promoted.lease.trial_id: contents[promoted.lease.trial_id]
    }
    assert broker.values_after(claim.sweep, {promoted.lease.trial_id: 0}) == {promoted.lease.trial_id: {0: [0.25]}}
    snapshots = broker.trial_snapshots(claim.sweep)
    assert [type(snapshot) for snapshot in snapshots] == [TrialSnapshot] * 3
    (row,) = (trial for trial in trials_of(engine, sweep) if trial.id == promoted.lease.trial_id)
    assert row.started_at in {snapshot.started_at for snapshot in snapshots}
    assert broker.means_at_rung(promoted.lease.trial_id) == []
    assert not broker.must_make_room(sweep)
    assert not broker.is_machine_shared()


def test_an_answer_that_was_lost_is_asked_for_again(new_broker: NewBroker, engine: Engine) -> None:
    """Who assigns twice has the same parameters, who signs on twice is one worker."""
    sweep = create_sweep(engine, n_trials=3)
    broker = new_broker()
    claim = broker.claim(64, LEASE_SECONDS, ENVIRONMENT, is_idle=True)
    assert claim is not None
    first, second = (broker.assign_params(claim.sweep, claim.trials) for _ in range(2))
    assert first == second
    assert [trial.params for trial in trials_of(engine, sweep)] == [trial.params for trial in first]


def test_a_worker_is_told_to_rest_and_says_that_it_stops(broker: Broker, engine: Engine) -> None:
    assert (broker.live_workers(), broker.is_draining()) == (1, False)
    with transaction(engine) as session:
        session.get_one(Worker, broker.worker_id).draining = True
    assert broker.is_draining()
    broker.note_idle()
    broker.sign_off()
    assert broker.live_workers() == 0
    with transaction(engine) as session:
        worker = session.get_one(Worker, broker.worker_id)
    assert (worker.state, worker.host) == (WorkerState.stopped, FACTS.host)
    assert worker.over_http == isinstance(broker, RemoteBroker)


def test_stored_data_come_piece_by_piece(broker: Broker, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they were stored; nothing comes of data that are not."""
    monkeypatch.setattr(datasets, "PIECE_BYTES", 1000)
    content = bytes(range(256)) * 20
    with transaction(engine) as session:
        datasets.store(session, "mine", content, {}, {})
        content_hash = session.scalars(select(StoredDataset.content_hash)).one()
    assert b"".join(broker.dataset_pieces(content_hash)) == content
    pieces = DatabaseBroker(engine, threading.Event()).dataset_pieces(content_hash)
    assert next(pieces) == content[:1000]
    assert checked_out(engine) == 0  # who reads slowly keeps no connection
    assert b"".join(broker.dataset_pieces("0" * 64)) == b""


def test_what_one_message_can_t_say_goes_in_several(
    broker: Broker, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Curves and results are halved until they fit."""
    sweep = create_grid(engine, 1, 2, 3)
    leases = [trial.lease for trial in claimed(broker).trials]
    ids = {lease.trial_id for lease in leases}
    monkeypatch.setattr(wire, "OF_ARGUMENTS", wire.Limits(2**20, 60, 100))
    curve = [point for epoch in (1, 2, 3) for point in points(leases, epoch)]
    assert broker.record(sweep, dict.fromkeys(leases, 3), curve, LEASE_SECONDS) == ids
    assert count_epochs(engine) == len(curve)
    assert broker.finish(sweep, [success(lease) for lease in leases], lambda _: {}) == ids
    assert states(engine, sweep) == ["complete"] * 3


def test_curves_of_many_trials_come_in_several_answers(
    broker: Broker, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them, however few an answer has."""
    monkeypatch.setattr(remote, "MAX_CURVES", 2)
    sweep = create_grid(engine, 1, 2, 3)
    claim = claimed(broker)
    leases = [trial.lease for trial in claim.trials]
    broker.record(sweep, dict.fromkeys(leases, 1), points(leases, 1), LEASE_SECONDS)
    values = broker.values_after(claim.sweep, {lease.trial_id: 0 for lease in leases})
    assert values.keys() == {lease.trial_id for lease in leases}


def test_the_sampler_is_asked_ahead(broker: Broker, engine: Engine) -> None:
    """The next trials have parameters once the asking is done, and no asking begins where there is no need."""
    sweep = create_sweep(engine, sampler={"name": "gp", "n_startup_trials": 64}, n_trials=60)
    ended = 0
    while ended < 30:
        claim = claimed(broker, 15)
        assert broker.prepare_asking(claim.sweep, 64) is None
        broker.finish(sweep, [success(trial.lease, 0.01 * trial.number) for trial in claim.trials], lambda _: {})
        ended += len(claim.trials)
    claim = claimed(broker, 8)
    ask = broker.prepare_asking(claim.sweep, 64)
    assert ask is not None
    ask()
    waiting_trials = [trial for trial in trials_of(engine, sweep) if trial.state == TrialState.waiting]
    assert sum(trial.params is not None for trial in waiting_trials) == (ended + len(claim.trials)) // 2


def test_an_error_of_a_sweep_is_the_reason_of_its_trials(broker: Broker, engine: Engine) -> None:
    """What the sampler raises reaches the worker as one sentence, with which the attempts are counted."""
    sweep = create_sweep(engine, n_trials=2)
    claim = broker.claim(64, LEASE_SECONDS, ENVIRONMENT, is_idle=True)
    assert claim is not None
    broker.fail_attempt(sweep, [trial.lease for trial in claim.trials], "RuntimeError: \0nothing")
    assert [trial.history[0]["reason"] for trial in trials_of(engine, sweep)] == ["RuntimeError: nothing"] * 2
    assert trials_of(engine, sweep)[0].state == TrialState.waiting
