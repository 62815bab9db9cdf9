"""Weights that are wanted once a trial has ended, by the broker in the database and by the one over HTTP."""

import pytest
from sqlalchemy import Engine, select, text

from app.broker import Broker, FaultError, RefusedError
from app.db.engine import transaction
from app.db.tables import LogEntry, Run, Trial
from app.domain.people.log_events import LogEvent
from app.queue import retraining
from app.queue.progress import RunResult, TrialResult
from tests.support.brokers import claimed
from tests.support.queue_examples import (
    LEASE_SECONDS,
    create_grid,
    success,
    trials_of,
)


def test_weights_that_are_wanted_later_are_trained_again(broker: Broker, engine: Engine) -> None:
    """The trial is begun with, put off, and out of the queue once they are there."""
    sweep = create_grid(engine, 1)
    (trial,) = claimed(broker).trials
    broker.finish(sweep, [success(trial.lease)], lambda _: {})
    with transaction(engine) as session:
        retraining.request(session, session.get_one(Trial, trial.lease.trial_id))
    again = broker.claim_retraining(LEASE_SECONDS)
    assert again is not None
    assert (again.sweep.id, again.trial_id, dict(again.values)) == (sweep, trial.lease.trial_id, {0: 0.5})
    assert broker.claim_retraining(LEASE_SECONDS) is None
    broker.postpone_retraining(again.trial_id, LEASE_SECONDS)
    broker.store_retrained(sweep, again.trial_id, {0: b"weights"})
    with transaction(engine) as session:
        assert session.scalars(select(Run.weights)).all() == [b"weights"]
        assert session.scalars(select(Trial.retrain_at)).all() == [None]


def waiting_for_weights(broker: Broker, engine: Engine) -> tuple[int, int]:
    """A completed sweep and its trial of two runs, whose weights are wanted and not there."""
    sweep = create_grid(engine, 1, seeds=2)
    (trial,) = claimed(broker).trials
    runs = [RunResult(seed, 0.5, None, 1.0) for seed in (0, 1)]
    broker.finish(sweep, [TrialResult(trial.lease, 0.5, 0.0, None, runs)], lambda _: {})
    with transaction(engine) as session:
        retraining.request(session, session.get_one(Trial, trial.lease.trial_id))
    return sweep, trial.lease.trial_id


def test_weights_may_come_run_by_run(broker: Broker, engine: Engine) -> None:
    """The trial waits until all of them are there."""
    sweep, trial_id = waiting_for_weights(broker, engine)
    broker.store_retrained(sweep, trial_id, {1: b"second"})
    assert trials_of(engine, sweep)[0].retrain_at is not None
    broker.store_retrained(sweep, trial_id, {0: b"first"})
    assert trials_of(engine, sweep)[0].retrain_at is None
    with transaction(engine) as session:
        assert session.scalars(select(Run.weights).order_by(Run.seed)).all() == [b"first", b"second"]


@pytest.mark.parametrize(("state", "is_fault"), [("P0001", False), ("42703", True)])
def test_a_fault_of_the_server_is_no_refusal_of_what_was_sent(
    broker: Broker, engine: Engine, state: str, is_fault: bool
) -> None:
    """A column that is missing is one, a value that a trigger does not let pass is none."""
    where = waiting_for_weights(broker, engine)
    with transaction(engine) as session:
        body = f"BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END"
        session.execute(text(f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"))
        moment = "BEFORE UPDATE OF weights ON runs FOR EACH ROW"
        session.execute(text(f"CREATE TRIGGER refuse {moment} EXECUTE FUNCTION refuse()"))
    with pytest.raises(RefusedError) as refusal:
        broker.store_retrained(*where, {0: b"first"})
    assert isinstance(refusal.value, FaultError) == is_fault


def test_weights_that_can_t_be_stored_are_given_up(broker: Broker, engine: Engine) -> None:
    """Nobody trains the trial for them again, its sweep is not scored, and the log says why."""
    sweep, trial_id = waiting_for_weights(broker, engine)
    broker.give_up_retraining(sweep, trial_id, "they are too\0 large\ud800")
    assert trials_of(engine, sweep)[0].retrain_at is None
    assert broker.next_unscored([]) is None
    with transaction(engine) as session:
        log = session.scalars(select(LogEntry.text).where(LogEntry.event == LogEvent.model)).all()
    assert log == [
        "The model of trial 0 can't be made: they are too large?; so it is not measured on the test examples"
    ]
    broker.give_up_retraining(sweep, trial_id, "nobody waits for them any more")
    with transaction(engine) as session:
        assert len(session.scalars(select(LogEntry.text).where(LogEntry.event == LogEvent.model)).all()) == 1
