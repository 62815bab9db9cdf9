"""The limits of a connection: no statement, no wait for a lock and no idle transaction goes on for ever."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, TextClause, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.config import Settings
from app.db import engine as engine_module
from app.db.engine import connect, is_gone
from app.db.migrations import MIGRATION_LOCK, migrate
from app.web import app as app_module
from app.web.app import create_app
from tests.support.queue_examples import create_sweep
from tests.support.waiting import wait_until

HOLD_SWEEPS = text("SELECT id FROM sweeps FOR UPDATE")


def count(engine: Engine, statement: TextClause) -> int:
    """What the statement counts now, in a transaction of its own: within one Postgres shows the same processes."""
    with engine.begin() as connection:
        return int(connection.execute(statement).scalar_one())


def test_each_connection_has_limits_and_says_whose_it_is(database_url: str) -> None:
    """Also on a Postgres that is not ours, whose own settings may have none."""
    engine = connect(database_url, "worker", statement_seconds=7)
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "application_name")
    with engine.begin() as connection:
        settings = [connection.execute(text(f"SHOW {name}")).scalar_one() for name in names]
    assert settings == ["7s", "20s", "1min", f"perceptune worker {os.getpid()}"]
    engine.dispose()


def test_a_statement_that_takes_too_long_may_be_sent_again(database_url: str) -> None:
    engine = connect(database_url, statement_seconds=0.1)
    with engine.connect() as connection, pytest.raises(OperationalError) as raised:
        connection.execute(text("SELECT pg_sleep(60)"))
    assert is_gone(raised.value)
    engine.dispose()


def test_a_frozen_transaction_lets_go_of_what_it_holds(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes after it goes on once it has been idle for too long."""
    create_sweep(engine)
    monkeypatch.setattr(engine_module, "IDLE_SECONDS", 0.3)
    frozen = connect(database_url)
    with frozen.connect() as connection:
        connection.execute(HOLD_SWEEPS)
        with engine.begin() as other_connection:
            assert len(other_connection.execute(HOLD_SWEEPS).all()) == 1
        with pytest.raises(DBAPIError) as raised:
            connection.execute(HOLD_SWEEPS)
        assert is_gone(raised.value)
    frozen.dispose()


def test_a_call_that_waits_for_a_lock_is_503(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a sentence and Retry-After, and the pool has its connection back."""
    monkeypatch.setattr(engine_module, "LOCK_SECONDS", 1.0)  # of the server that is made now
    patch = f"/api/v1/sweeps/{create_sweep(engine)}"
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        with engine.begin() as connection:
            connection.execute(HOLD_SWEEPS)
            answer = client.patch(patch, json={"priority": 1})
            assert (answer.status_code, answer.headers.get("retry-after")) == (503, "5")
            assert answer.json()["detail"].startswith("What this call needs took too long")
        assert client.patch(patch, json={"priority": 1}).status_code == 200


def test_a_call_for_which_there_is_no_connection_is_503(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a sentence and Retry-After; once others have given theirs back it is answered."""
    monkeypatch.setattr(app_module, "connect", partial(connect, pool_size=4, max_overflow=0, pool_seconds=0.1))
    with TestClient(create_app(settings), base_url="http://localhost") as client, ExitStack() as taken:
        pool = client.app.state.engine.pool  # type: ignore[attr-defined]
        while pool.checkedout() < pool.size():
            with suppress(PoolTimeoutError):  # the server itself has one for a moment
                taken.enter_context(client.app.state.engine.connect())  # type: ignore[attr-defined]
        answer = client.get("/api/v1/sweeps")
        assert (answer.status_code, answer.headers.get("retry-after")) == (503, "5")
        assert answer.json()["detail"].startswith("The server has too much to do right now")
        taken.close()
        assert client.get("/api/v1/sweeps").status_code == 200


def test_a_migration_waits_as_long_as_it_has_to(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process migrates meanwhile, for longer than any other call would wait."""
    monkeypatch.setattr(engine_module, "LOCK_SECONDS", 0.1)
    monkeypatch.setattr(engine_module, "STATEMENT_SECONDS", 0.2)
    impatient = connect(database_url, statement_seconds=0.2)
    waits = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
        "AND clock_timestamp() - query_start > interval '0.5 s'"
    )
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            migration = pool.submit(migrate, impatient)
            wait_until(lambda: count(engine, waits) or migration.done())
        migration.result(30)
    impatient.dispose()
