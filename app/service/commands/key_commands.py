"""The commands `perceptune keys …`: keys are made, listed and revoked."""

from __future__ import annotations

from typing import Annotated

import typer

from app.domain.people.roles import Role
from app.service.commands.flags import Database, Home
from app.service.commands.tables import tables

key_commands = typer.Typer(no_args_is_help=True, help="Keys for people and programs.")


@key_commands.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="Whose it is, or what for.")],
    role: Annotated[
        Role, typer.Option(help="worker trains, read looks, write changes sweeps, admin makes keys.")
    ] = Role.write,
    days: Annotated[int | None, typer.Option(help="Until it expires; left out, it does not.")] = None,
    home: Home = None,
    database_url: Database = None,
) -> None:
    """Makes a key and prints it, this once. From the first one on, every call to the server needs a key."""
    from app.access.commands import create
    from app.db.engine import transaction

    with tables(home, database_url) as engine, transaction(engine) as session:
        typer.echo(create(session, name, role, days))


@key_commands.command("list")
def list_keys(home: Home = None, database_url: Database = None) -> None:
    """Prints the keys: number, what each begins with, name, role, state, when it was used last."""
    from app.access.commands import lines
    from app.db.engine import transaction

    with tables(home, database_url) as engine, transaction(engine) as session:
        for line in lines(session):
            typer.echo(line)


@key_commands.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(help="Its name, or its number.")],
    home: Home = None,
    database_url: Database = None,
) -> None:
    """Ends a key, and with it every session that was begun with it; running servers heed it within seconds."""
    from app.access.commands import revoke
    from app.db.engine import transaction

    with tables(home, database_url) as engine, transaction(engine) as session:
        typer.echo(revoke(session, key))
