"""Writes a dump: all rows as they were at one moment, while server and workers go on."""

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psycopg
from alembic.runtime.migration import MigrationContext
from psycopg import sql
from sqlalchemy import Connection, Engine, MetaData, text
from sqlalchemy.exc import DBAPIError

from app.db.dumps import archive
from app.db.engine import first_line, lift_limits
from app.db.migrations import MIGRATION_LOCK
from app.errors import StartError

VERSION_TABLE = "alembic_version"


def dump(engine: Engine, path: Path) -> archive.Header:
    """Writes the file and returns what it holds; one that is not whole is never there under its name.

    Raises StartError where the file is there already or can't be written, and where the database has no tables.
    """
    if path.exists():
        raise StartError(f"{path} is there already: choose another name, or remove it.")
    part = path.with_name(f"{path.name}.part")
    try:
        with _private_file(part), _snapshot(engine) as connection:
            with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zip_file:
                header = _write(connection, zip_file)
            archive.seal(part)
            os.replace(part, path)
    except DBAPIError as error:
        raise StartError(f"The database can't be dumped: {first_line(error)}.") from None
    except OSError as error:
        raise StartError(f"{path} can't be written: {error.strerror or error}.") from None
    return header


@contextmanager
def _private_file(path: Path) -> Iterator[None]:
    """An empty file for ourselves alone, for it has the hashes of keys and the secrets of webhooks."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection that sees the database as it is at one moment; no migration runs meanwhile."""
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock_shared(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        try:
            lift_limits(connection)
            yield connection
        finally:
            connection.invalidate()  # and with it the lock


def _write(connection: Connection, zip_file: zipfile.ZipFile) -> archive.Header:
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        raise StartError("The database has no tables of Perceptune: there is nothing to dump.")
    postgres = str(connection.scalar(text("SHOW server_version")))
    header = archive.Header(version("perceptune"), revision, postgres, datetime.now(UTC).isoformat(timespec="seconds"))
    metadata = MetaData()
    metadata.reflect(connection)
    for table in metadata.sorted_tables:
        if table.name != VERSION_TABLE:
            columns = [column.name for column in table.columns]
            header.tables[table.name] = _write_table(connection, zip_file, table.name, columns)
            identities = [column.name for column in table.columns if column.identity is not None]
            header.next_numbers[table.name] = {name: _next_number(connection, table.name, name) for name in identities}
    archive.write_header(zip_file, header)
    return header


def _write_table(
    connection: Connection, zip_file: zipfile.ZipFile, table: str, columns: list[str]
) -> archive.TableInfo:
    cursor = driver_connection(connection).cursor()
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    with cursor.copy(sql.SQL("COPY {} ({}) TO STDOUT").format(sql.Identifier(table), names)) as pieces:
        archive.write_rows(zip_file, table, pieces)
    return archive.TableInfo(columns, cursor.rowcount)


def _next_number(connection: Connection, table: str, column: str) -> int:
    """The number that the next row gets, so that those of deleted rows are not used again."""
    sequence = connection.scalar(
        text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table, "column": column}
    )
    query = text(f"SELECT last_value + CASE WHEN is_called THEN 1 ELSE 0 END FROM {sequence}")
    return int(connection.scalar(query) or 1)


def driver_connection(connection: Connection) -> "psycopg.Connection[tuple[object, ...]]":
    """psycopg's own connection, which can COPY."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver
