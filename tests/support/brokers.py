"""Brokers of workers that have signed on, in the database and over HTTP."""

from typing import Protocol

from app.broker import Broker, Claim, WorkerFacts
from tests.support.queue_examples import LEASE_SECONDS

ENVIRONMENT = {"python": "3", "device": "cpu"}
FACTS = WorkerFacts("elsewhere", 7, "cpu", 1, 2**30)


class NewBroker(Protocol):
    """Makes the broker of a worker that has signed on."""

    def __call__(self, facts: WorkerFacts = FACTS) -> Broker: ...


def claimed(broker: Broker, max_trials: int = 64) -> Claim:
    """A claim whose trials have their parameters."""
    claim = broker.claim(max_trials, LEASE_SECONDS, ENVIRONMENT, is_idle=True)
    assert claim is not None
    return Claim(claim.sweep, broker.assign_params(claim.sweep, claim.trials))
