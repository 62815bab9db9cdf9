"""Migrations: bring the tables to this version, and tell whether they are at it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from app.db.engine import first_line, lift_limits
from app.errors import StartError
from app.shipped import shipped_folder

MIGRATION_LOCK = 0x7065726370  # one process migrates at a time; the others wait and find nothing to do


def alembic_config() -> Config:
    """Where the migrations are."""
    config = Config()
    config.set_main_option("script_location", str(shipped_folder("alembic")).replace("%", "%%"))
    return config


def migrate(engine: Engine) -> None:
    """Brings the tables to this version. Raises StartError when the database can't be reached or won't be changed."""
    try:
        with migrating(engine) as (_, config):
            command.upgrade(config, "head")
    except DBAPIError as error:
        raise StartError(f"The tables can't be brought to this version: {first_line(error)} (DATABASE_URL)") from error


@contextmanager
def migrating(engine: Engine) -> Iterator[tuple[Connection, Config]]:
    """A transaction in which the tables are changed, by one process at a time, and Alembic's settings for it.

    Raises StartError where the database can't be reached, or has the tables of a newer version.
    """
    config = alembic_config()
    try:
        with engine.begin() as connection:
            lift_limits(connection)
            _refuse_other_encoding(connection)
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            config.attributes["connection"] = connection
            yield connection, config
    except OperationalError as error:
        raise StartError(f"The database can't be reached: {first_line(error)} (DATABASE_URL)") from error
    except CommandError:
        raise StartError("The tables are those of a newer Perceptune: use that one, or another DATABASE_URL.") from None


def _refuse_other_encoding(connection: Connection) -> None:
    """Raises StartError unless the database holds texts as UTF-8."""
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise StartError(
            f"The database is encoded in {encoding}, which can't hold every name: make one with "
            "CREATE DATABASE perceptune ENCODING 'UTF8' TEMPLATE template0, and name it in DATABASE_URL."
        )


@cache
def program_version() -> str:
    """This version, by which programs know that they understand each other: `0.1.0 (tables 0020)`."""
    return f"{version('perceptune')} (tables {ScriptDirectory.from_config(alembic_config()).get_current_head()})"


def revision_state(connection: Connection) -> Literal["none", "older", "current", "newer"]:
    """How the tables are to those of this version."""
    revision = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(alembic_config())
    if revision is None:
        return "none"
    if revision == scripts.get_current_head():
        return "current"
    return "older" if any(script.revision == revision for script in scripts.walk_revisions()) else "newer"


def is_migrated(session: Session) -> bool:
    """Whether the tables are those of this version."""
    current_heads = MigrationContext.configure(session.connection()).get_current_heads()
    return set(current_heads) == set(ScriptDirectory.from_config(alembic_config()).get_heads())
