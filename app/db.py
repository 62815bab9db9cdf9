"""The engine and the transaction. One request is one transaction, committed at its edge; nobody commits inside."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.orm import Session

from app.errors import StartError

# A network that swallows what is sent says nothing: without these a connection would wait for its answer for ever.
PATIENCE: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
CHANNEL = "perceptune"  # NOTIFY payload: the id of the sweep that changed
_MIGRATIONS = Path(__file__).resolve().parent.parent / "alembic"
_MIGRATION_LOCK = 0x7065726370  # one process migrates at a time; the others wait and find nothing to do


def normalised_url(url: str) -> str:
    """The URL with the driver that we use; plain `postgres://` and `postgresql://` are understood.

    Raises StartError for any other database.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StartError("DATABASE_URL is no database URL: write postgresql://USER:PASSWORD@HOST/DATABASE.") from None
    if parsed.drivername not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise StartError(f"DATABASE_URL names {parsed.drivername}: only Postgres works, write postgresql://...")
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def connect(url: str, pool_size: int = 10) -> Engine:
    """An engine whose connections are tested before use, so that a restarted database is noticed at once."""
    return create_engine(
        normalised_url(url),
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=30,
        connect_args={"application_name": "perceptune", "client_encoding": "utf8", **PATIENCE},
    )


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """A session that commits when the block ends and rolls back when it raises."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def migrate(engine: Engine) -> None:
    """Brings the tables to this version. Raises StartError when the database can't be reached or won't be changed."""
    config = _alembic_config()
    try:
        with engine.begin() as connection:
            _refuse_other_encoding(connection)
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except OperationalError as error:
        raise StartError(f"The database can't be reached: {first_line(error)} (DATABASE_URL)") from error
    except DBAPIError as error:
        raise StartError(f"The tables can't be brought to this version: {first_line(error)} (DATABASE_URL)") from error
    except CommandError:
        raise StartError("The tables are those of a newer Perceptune: use that one, or another DATABASE_URL.") from None


def _refuse_other_encoding(connection: Connection) -> None:
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise StartError(
            f"The database is encoded in {encoding}, which can't hold every name: make one with "
            "CREATE DATABASE perceptune ENCODING 'UTF8' TEMPLATE template0, and name it in DATABASE_URL."
        )


def is_migrated(session: Session) -> bool:
    current = MigrationContext.configure(session.connection()).get_current_heads()
    return set(current) == set(ScriptDirectory.from_config(_alembic_config()).get_heads())


def first_line(error: DBAPIError) -> str:
    """The database's own words, without SQLAlchemy's."""
    words = str(error.orig).strip().removeprefix("connection failed: ")
    return words.splitlines()[0] if words else type(error).__name__
