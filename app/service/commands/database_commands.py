"""The commands `perceptune db …`: the tables of the database, copies of it, and what may be deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.service.commands.flags import Database, Home, settings_of
from app.service.commands.tables import tables

database_commands = typer.Typer(no_args_is_help=True, help="The database's tables.")


@database_commands.command()
def upgrade(home: Home = None, database_url: Database = None) -> None:
    """Brings the tables to this version; `up` does so by itself."""
    with tables(home, database_url):
        typer.echo("The tables are those of this version.")


@database_commands.command()
def dump(
    file: Annotated[Path, typer.Argument(help="The file to write.")],
    home: Home = None,
    database_url: Database = None,
) -> None:
    """Writes the whole database into a file, also while server and workers run on it."""
    from app.db.dumps.dump import dump as write_dump
    from app.db.engine import connect_past_pooler
    from app.service.database import database

    with database(settings_of(home=home, database_url=database_url)) as settings:
        assert settings.database_url is not None
        header = write_dump(connect_past_pooler(settings.database_url), file)
        typer.echo(f"{file} has {header.rows:,} rows, of Perceptune {header.program} and Postgres {header.postgres}.")


@database_commands.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `perceptune db dump` has written.")],
    home: Home = None,
    database_url: Database = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also where the database is not empty: that is lost.")
    ] = False,
) -> None:
    """Fills an empty database from a dump, of this version or an earlier one, and brings the tables to this version."""
    from app.db.dumps.restore import restore as read_dump
    from app.db.engine import connect_past_pooler
    from app.service.database import database

    with database(settings_of(home=home, database_url=database_url)) as settings:
        assert settings.database_url is not None
        header = read_dump(connect_past_pooler(settings.database_url), file, replace=replace)
        typer.echo(f"{header.rows:,} rows are restored, as they were at {header.at}.")


@database_commands.command()
def prune(
    older_than: Annotated[str, typer.Option("--older-than", help="How long ago they ended: 90d, or 12w for weeks.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only says what would be deleted.")] = False,
    home: Home = None,
    database_url: Database = None,
) -> None:
    """Deletes sweeps that ended long ago, also while server and workers run.

    Kept are those with notes, of their own or on a trial, with the tag `keep`, and those that a link shows.
    """
    from app.sweeps import retention

    days = retention.days_of(older_than)
    with tables(home, database_url) as engine:
        for line in retention.prune(engine, days, dry_run=dry_run):
            typer.echo(line)
