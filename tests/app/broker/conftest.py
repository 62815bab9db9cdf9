"""Each test of a broker is made of the one in the database and of the one over HTTP."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import Engine

from app.broker import Broker, DatabaseBroker, WorkerFacts
from app.broker.remote import RemoteBroker
from app.config import Settings
from app.service.up import Service
from tests.support.brokers import FACTS, NewBroker


@pytest.fixture(params=["database", "http"])
def new_broker(request: pytest.FixtureRequest, engine: Engine, settings: Settings) -> Iterator[NewBroker]:
    """Makes brokers of workers that have signed on."""

    with ExitStack() as stack:

        def signed_on(broker: Broker, facts: WorkerFacts) -> Broker:
            stack.callback(broker.close)
            broker.check()
            broker.sign_on(facts)
            return broker

        if request.param == "database":
            yield lambda facts=FACTS: signed_on(DatabaseBroker(engine, threading.Event()), facts)
        else:
            service = stack.enter_context(Service(settings))
            yield lambda facts=FACTS: signed_on(RemoteBroker(service.url, None, threading.Event()), facts)


@pytest.fixture
def broker(new_broker: NewBroker) -> Broker:
    return new_broker()
