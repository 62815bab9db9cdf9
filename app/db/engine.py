"""The engine and the transaction: a request is one transaction, committed at its edge, never inside."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session

from app.db import pooling
from app.errors import StartError, in_short

_DIRECT_URL = "direct_url"  # the execution option of our engines
POOL_SECONDS = 5.0  # in which one of the pool's connections has to become free
STATEMENT_SECONDS = 120.0
LOCK_SECONDS = 20.0
IDLE_SECONDS = 60.0  # of a transaction in which nothing happens, because its process is frozen or cut off
# A network that swallows what is sent says nothing: without these a connection would wait for its answer for ever.
TIMEOUTS: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def normalised_url(url: str) -> str:
    """The URL with the driver that is used here; `postgres://` and `postgresql://` are understood.

    Raises StartError for any other database.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StartError("DATABASE_URL is no database URL: write postgresql://USER:PASSWORD@HOST/DATABASE.") from None
    if parsed.drivername not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise StartError(f"DATABASE_URL names {parsed.drivername}: only Postgres works, write postgresql://...")
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def application_name(role: str) -> str:
    """What Postgres shows of a connection's process, e.g. `perceptune worker 4711`: whom to ask, or to end."""
    return f"perceptune {role} {os.getpid()}"


def connect(
    url: str,
    role: str = "tool",
    *,
    pool_size: int = 10,
    max_overflow: int = 30,
    pool_seconds: float = POOL_SECONDS,
    statement_seconds: float = STATEMENT_SECONDS,
) -> Engine:
    """An engine whose connections are tested before use, so that a restarted database is noticed at once.

    `role`: what the process does with them. No statement, and no wait for a lock, goes on for ever on any of them.
    """
    address = pooling.parse(normalised_url(url))
    arguments: dict[str, Any] = {"application_name": application_name(role), "client_encoding": "utf8", **TIMEOUTS}
    engine = create_engine(
        address.url,
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=pool_seconds,
        # what is prepared on one connection of Postgres is not there on the next
        connect_args=arguments | ({"prepare_threshold": None} if address.is_shared else {}),
        execution_options={_DIRECT_URL: address.direct_url},
    )
    _limit(engine, statement_seconds, is_shared=address.is_shared)
    return engine


def direct_url(engine: Engine) -> str | None:
    """Where psycopg finds the database with a connection to itself; None where there is no way past the pooler."""
    url: URL | None = engine.get_execution_options()[_DIRECT_URL]
    return None if url is None else url.set(drivername="postgresql").render_as_string(hide_password=False)


def keeps_connections(engine: Engine) -> bool:
    """Whether each of its connections stays the same one of Postgres, rather than a pooler's from time to time."""
    return bool(engine.get_execution_options()[_DIRECT_URL] == engine.url)


def connect_past_pooler(url: str) -> Engine:
    """An engine for what goes on from one transaction to the next on one connection. Raises StartError."""
    address = pooling.parse(normalised_url(url))
    if address.direct_url is None:
        raise StartError("This needs a way past the pooler: add &direct=HOST:PORT to DATABASE_URL.")
    return connect(address.direct_url.render_as_string(hide_password=False))


def _limit(engine: Engine, statement_seconds: float, *, is_shared: bool) -> None:
    """Limits statements, waits and idle transactions of all connections; of shared ones each transaction anew."""
    seconds = {
        "statement_timeout": statement_seconds,
        "lock_timeout": LOCK_SECONDS,
        "idle_in_transaction_session_timeout": IDLE_SECONDS,
    }
    # by a statement, not as options of the connection, which PgBouncer refuses
    settings = ", ".join(
        f"set_config('{name}', '{value * 1000:.0f}ms', {str(is_shared).lower()})" for name, value in seconds.items()
    )

    def limit_session(connection: psycopg.Connection[Any], _: object) -> None:
        connection.execute(sql.SQL(f"SELECT {settings}"))
        connection.commit()

    def limit_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(f"SELECT {settings}")

    if is_shared:
        event.listen(engine, "begin", limit_transaction)
    else:
        event.listen(engine, "connect", limit_session)


def allow_idleness(session: Session) -> None:
    """Lets this transaction wait for its own process as long as it has to."""
    session.execute(text("SELECT set_config('idle_in_transaction_session_timeout', '0', true)"))


def lift_limits(connection: Connection) -> None:
    """Lets this transaction, e.g. of a migration, take and wait as long as it has to."""
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        connection.execute(text("SELECT set_config(:name, '0', true)"), {"name": name})


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """A session that commits when the block ends and rolls back when it raises."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


def first_line(error: DBAPIError) -> str:
    """The first line of the database's own message, without SQLAlchemy's."""
    return in_short(error.orig or error).removeprefix("connection failed: ")


def is_gone(error: DBAPIError) -> bool:
    """Whether the statement may succeed when it is sent again: the database was out of reach, or gave it up.

    By the SQLSTATE: 55P03 is a lock that others held for too long, 25P03 a transaction that was idle for too long; by
    its class: 08 connection, 40 rollback (e.g. deadlock), 53 resources, 57 operator (shutdown, time-out), 58 system.
    """
    state = getattr(error.orig, "sqlstate", None)
    return state is None or state in {"55P03", "25P03"} or state[:2] in {"08", "40", "53", "57", "58"}


def is_lock_timeout(error: DBAPIError) -> bool:
    """Whether the statement waited in vain for a row that another transaction has locked."""
    return getattr(error.orig, "sqlstate", None) == "55P03"
