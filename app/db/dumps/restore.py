"""Restores a dump: in one transaction, all of it or nothing, and then brings the tables to this version."""

import zipfile
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from app.db.dumps import archive
from app.db.dumps.dump import VERSION_TABLE, driver_connection
from app.db.engine import first_line
from app.db.migrations import alembic_config, migrating
from app.errors import StartError, in_short

_NOT_COUNTED = {VERSION_TABLE, "workers", "counters"}  # what a service has that was started and never used

_USERS = text("""
    SELECT DISTINCT application_name FROM pg_stat_activity
    WHERE datname = current_database() AND application_name ~ '^perceptune (server|worker)' ORDER BY 1
""")


def restore(engine: Engine, path: Path, *, replace: bool = False) -> archive.Header:
    """Fills the database from the file and returns what that held.

    Raises StartError, and changes nothing, where the file is damaged or of a newer version, where the database is not
    empty and `replace` is not set, and where a server or a worker runs on it.
    """
    header = archive.check(path)
    scripts = ScriptDirectory.from_config(alembic_config()).walk_revisions()
    if header.revision not in {script.revision for script in scripts}:
        raise StartError(
            f"The dump is of tables of Perceptune {header.program}, newer than this one: restore it with that version."
        )
    try:
        with migrating(engine) as (connection, config):
            _refuse_users(connection)
            _empty(connection, config, replace=replace)
            command.upgrade(config, header.revision)
            _fill(connection, path, header)
            command.upgrade(config, "head")
    except psycopg.Error as error:
        raise StartError(f"The dump can't be restored: {in_short(error)}.") from None
    except DBAPIError as error:
        raise StartError(f"The dump can't be restored: {first_line(error)}.") from None
    return header


def _refuse_users(connection: Connection) -> None:
    names = connection.scalars(_USERS).all()
    if names:
        raise StartError(f"The database is in use ({', '.join(names)}): stop server and workers first.")


def _empty(connection: Connection, config: Config, *, replace: bool) -> None:
    """Takes the tables away. Raises StartError where there is something in them that nobody said to replace."""
    tables = inspect(connection).get_table_names()
    if VERSION_TABLE not in tables:
        return
    names = sorted(set(tables) - _NOT_COUNTED)
    full_tables = [name for name in names if connection.scalar(text(f'SELECT EXISTS (SELECT FROM "{name}")'))]
    if full_tables and not replace:
        raise StartError(
            f"The database is not empty ({', '.join(full_tables)}): restore into a new one (another PERCEPTUNE_HOME or "
            "DATABASE_URL), or say --replace, and what is in it is lost."
        )
    own_tables = [f'"{name}"' for name in tables if name != VERSION_TABLE]
    if own_tables:
        connection.execute(text(f"TRUNCATE {', '.join(own_tables)}"))
    command.downgrade(config, "base")


def _fill(connection: Connection, path: Path, header: archive.Header) -> None:
    if set(header.tables) != set(inspect(connection).get_table_names()) - {VERSION_TABLE}:
        raise StartError(f"{path} does not have the tables of its version: use another copy.")
    with zipfile.ZipFile(path) as zip_file:
        for name in header.tables:  # what triggers would add is in the dump as well
            connection.execute(text(f'ALTER TABLE "{name}" DISABLE TRIGGER USER'))
        for name, table in header.tables.items():
            columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
            statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(name), columns)
            with driver_connection(connection).cursor().copy(statement) as copy:
                for piece in archive.read_rows(zip_file, name):
                    copy.write(piece)
    for name in header.tables:
        connection.execute(text(f'ALTER TABLE "{name}" ENABLE TRIGGER USER'))
    set_next = text("SELECT setval(pg_get_serial_sequence(:table, :column), :number, false)")
    for name, numbers in header.next_numbers.items():
        for column, number in numbers.items():
            connection.execute(set_next, {"table": name, "column": column, "number": number})
