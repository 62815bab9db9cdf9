"""Claims whose answers are lost: what they took goes back, no attempt lost, however late they come true."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from app import queue
from app.broker import DatabaseBroker, UnreachableError
from app.db.engine import transaction
from app.queue.errors import RefusedError
from tests.support.brokers import ENVIRONMENT, FACTS
from tests.support.queue_examples import LEASE_SECONDS, create_grid, new_worker, states, trials_of
from tests.support.waiting import wait_until


@contextmanager
def lost_answer(engine: Engine) -> Iterator[None]:
    """The connection breaks once the next claim is committed, before its answer is here."""
    claims = Event()

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if "claiming_worker" in statement:
            claims.set()

    def commit(connection: Connection) -> None:
        if claims.is_set():
            claims.clear()
            driver: Any = connection.connection.driver_connection
            driver.commit()
            driver.close()

    event.listen(engine, "before_cursor_execute", note)
    event.listen(engine, "commit", commit)
    yield
    event.remove(engine, "before_cursor_execute", note)
    event.remove(engine, "commit", commit)


def test_what_a_lost_claim_took_is_claimed_at_once(engine: Engine) -> None:
    """By the worker at the database whose connection broke, as its first attempt."""
    sweep = create_grid(engine, 4, 8)
    broker = DatabaseBroker(engine, Event())
    broker.sign_on(FACTS)
    with lost_answer(engine), pytest.raises(UnreachableError):
        broker.claim(64, LEASE_SECONDS, ENVIRONMENT, is_idle=True)
    assert states(engine, sweep) == ["running"] * 2
    claim = broker.claim(64, LEASE_SECONDS, ENVIRONMENT, is_idle=True)
    assert claim is not None
    assert [trial.attempt for trial in claim.trials] == [1, 1]
    assert [trial.history for trial in trials_of(engine, sweep)] == [[], []]


def test_a_claim_that_was_given_up_takes_nothing(engine: Engine) -> None:
    """It has lain in a proxy, and comes to the database after the next one of its worker."""
    sweep, worker = create_grid(engine, 4, 8), new_worker(engine)
    with transaction(engine) as session:
        assert queue.note_lost_claims(session, worker, 1)
    with pytest.raises(RefusedError, match="given this claim up"), transaction(engine) as session:
        queue.claim(session, worker, 64, LEASE_SECONDS, lost_claims=0)
    assert [(trial.state, trial.attempt) for trial in trials_of(engine, sweep)] == [("waiting", 0)] * 2
    with transaction(engine) as session:
        assert not queue.note_lost_claims(session, worker, 1)
        assert queue.claim(session, worker, 64, LEASE_SECONDS, lost_claims=1) is not None


def test_a_claim_that_is_under_way_is_waited_for(engine: Engine) -> None:
    """The next claim of the worker gives back what it takes, though it is committed only after that one has come."""
    sweep, worker = create_grid(engine, 4, 8), new_worker(engine)
    broker = DatabaseBroker(engine, Event(), worker)
    claims: list[Any] = []

    def claim_next() -> None:
        claims.append(broker.claim_after(1, 64, LEASE_SECONDS, ENVIRONMENT, is_idle=True))

    with transaction(engine) as session:
        assert queue.claim(session, worker, 64, LEASE_SECONDS) is not None
        thread = Thread(target=claim_next)
        thread.start()
        with transaction(engine) as watching:
            wait_until(lambda: watching.connection().exec_driver_sql(_ROW_WAITS).scalar_one() > 0)
    thread.join(60)
    assert [[trial.attempt for trial in claim.trials] for claim in claims] == [[1, 1]]
    assert states(engine, sweep) == ["running"] * 2


_ROW_WAITS = "SELECT count(*) FROM pg_locks WHERE locktype IN ('transactionid', 'tuple') AND NOT granted"
