"""The engine and the transaction: a request is one transaction, committed at its edge, never inside."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session

from app.errors import StartError

POOL_TIMEOUT_SECONDS = 5.0  # in which one of the pool's connections has to become free
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


def connect(url: str, pool_size: int = 10, max_overflow: int = 30) -> Engine:
    """An engine whose connections are tested before use, so that a restarted database is noticed at once."""
    return create_engine(
        normalised_url(url),
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        connect_args={"application_name": "perceptune", "client_encoding": "utf8", **TIMEOUTS},
    )


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """A session that commits when the block ends and rolls back when it raises."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


def first_line(error: DBAPIError) -> str:
    """The first line of the database's own message, without SQLAlchemy's."""
    message = str(error.orig).strip().removeprefix("connection failed: ")
    return message.splitlines()[0] if message else type(error).__name__


def is_gone(error: DBAPIError) -> bool:
    """Whether the statement may succeed when it is sent again: the database was out of reach, or gave it up.

    By the class of the SQLSTATE: 08 connection, 40 rollback (e.g. deadlock), 53 resources, 57 operator (shutdown).
    """
    state = getattr(error.orig, "sqlstate", None)
    return state is None or state[:2] in {"08", "40", "53", "57"}


def is_lock_timeout(error: DBAPIError) -> bool:
    """Whether the statement waited in vain for a row that another transaction has locked."""
    return getattr(error.orig, "sqlstate", None) == "55P03"
