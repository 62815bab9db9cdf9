"""Workers of several devices and sizes, by the broker in the database and by the one over HTTP."""

from dataclasses import replace

from sqlalchemy import Engine

from app.db.engine import transaction
from app.db.tables import Trial, Worker
from app.queue import retraining
from app.queue.leases import TooLargeTrial
from tests.support.brokers import ENVIRONMENT, FACTS, NewBroker, claimed
from tests.support.queue_examples import (
    LEASE_SECONDS,
    create_grid,
    success,
    trials_of,
)


def test_a_sweep_is_left_to_the_device_that_it_wishes_for(new_broker: NewBroker, engine: Engine) -> None:
    """A processor gets nothing of it; a card does, and the trial tells on which one it was trained."""
    sweep = create_grid(engine, 1, device="cuda")
    processor, card = new_broker(), new_broker(replace(FACTS, device="NVIDIA H200"))
    assert processor.claim(64, LEASE_SECONDS, ENVIRONMENT, is_idle=True) is None
    (trial,) = claimed(card).trials
    card.finish(sweep, [success(trial.lease)], lambda _: {})
    assert [trial.devices for trial in trials_of(engine, sweep)] == [["NVIDIA H200"]]
    with transaction(engine) as session:
        retraining.request(session, session.get_one(Trial, trial.lease.trial_id))
    assert processor.claim_retraining(LEASE_SECONDS) is None
    assert card.claim_retraining(LEASE_SECONDS) is not None


def test_what_is_too_large_is_left_to_who_has_the_memory(new_broker: NewBroker, engine: Engine) -> None:
    """Without losing an attempt; where nobody has it, the attempt ends with the sizes."""
    sweep = create_grid(engine, 1)
    small = new_broker()
    for reason in ("too large", "too large\0 again"):
        (trial,) = claimed(small).trials
        small.leave_to_larger(sweep, [TooLargeTrial(trial.lease, 2**31, reason)])
    large = new_broker(replace(FACTS, memory=2**32))
    (trial,) = claimed(small).trials
    small.leave_to_larger(sweep, [TooLargeTrial(trial.lease, 2**31, "too large")])
    assert small.claim(64, LEASE_SECONDS, ENVIRONMENT, is_idle=True) is None
    (trial,) = claimed(large).trials
    assert (trial.attempt, trials_of(engine, sweep)[0].least_memory) == (3, 2**31)
    assert [attempt["reason"] for attempt in trials_of(engine, sweep)[0].history] == ["too large", "too large again"]


def test_the_speed_of_a_worker_is_kept(new_broker: NewBroker, engine: Engine) -> None:
    """By its row, and by that of the next worker of its host and device, until that one is measured itself."""
    first, elsewhere = new_broker(), new_broker(replace(FACTS, host="there"))
    first.heartbeat([], LEASE_SECONDS, 5.0, 1e9)
    first.heartbeat([], LEASE_SECONDS, 0.0, None)
    second = new_broker()
    with transaction(engine) as session:
        speeds = [session.get_one(Worker, broker.worker_id).speed for broker in (first, second, elsewhere)]
    assert speeds == [1e9, 1e9, None]
