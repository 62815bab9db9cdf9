"""Flags of commands that stand for settings, and what the settings are with them."""

from typing import Annotated

import typer

from app.config import Settings, load_settings


def _flag(name: str, help: str, variable: str | None = None) -> object:
    return typer.Option(f"--{name}", help=f"{help} [{variable or 'PERCEPTUNE_' + name.upper().replace('-', '_')}]")


Home = Annotated[str | None, _flag("home", "Data folder: embedded database, data sets.")]
Database = Annotated[str | None, _flag("database-url", "A Postgres in place of the embedded one.", "DATABASE_URL")]
Host = Annotated[str | None, _flag("host", "Address to serve on; default 127.0.0.1.")]
Port = Annotated[str | None, _flag("port", "Port to serve on; default 8000.")]
Workers = Annotated[str | None, _flag("workers", "Workers to start; default one a GPU, else one a core; 0 for none.")]
Device = Annotated[str | None, _flag("device", "Device of the workers: cpu, cuda, cuda:N or mps.")]
Server = Annotated[str | None, _flag("server", "Address of a server, where the database can't be reached.")]
ServerKey = Annotated[str | None, _flag("key", "Key to that server, with the role worker.")]


def settings_of(**flags: str | None) -> Settings:
    """The settings, of which flags that were given go before the environment. Raises StartError."""
    return load_settings(flags)
