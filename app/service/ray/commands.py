"""The command `perceptune ray up`, and its options."""

from importlib.util import find_spec
from typing import Annotated

import typer

from app import logs
from app.config import load_settings
from app.errors import StartError

ray_commands = typer.Typer(no_args_is_help=True, help="Workers on a Ray cluster.")


@ray_commands.callback()
def group() -> None:
    """Workers on a Ray cluster."""


@ray_commands.command()
def up(
    home: Annotated[str | None, typer.Option(help="Data folder with the embedded database. [PERCEPTUNE_HOME]")] = None,
    database_url: Annotated[
        str | None, typer.Option(help="A Postgres that all nodes reach; a cluster needs one. [DATABASE_URL]")
    ] = None,
    workers: Annotated[
        str | None, typer.Option(help="Workers of one CPU each: 4, 1..8 as the queue wants, or all; default all.")
    ] = None,
    gpus: Annotated[
        str | None, typer.Option(help="In place of them, workers of one GPU each: 2, 1..8, or all.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Of the cluster: auto, HOST:PORT; left out, Ray is started here. [RAY_ADDRESS]")
    ] = None,
    idle_seconds: Annotated[
        float, typer.Option(min=0, help="For so long there are more workers than the queue wants.")
    ] = 60,
) -> None:
    """Has Ray place, watch and restart workers, as many as the queue wants, until Ctrl-C.

    Needs the extra `ray`. The server runs elsewhere: `perceptune up --workers 0`.
    """
    if find_spec("ray") is None:
        raise StartError("Ray is not here: pip install 'perceptune[ray]'.")
    from app.service.ray import fleet_size
    from app.service.ray.up import run

    size = fleet_size.parse(workers, gpus)
    settings = load_settings({"home": home, "database_url": database_url})
    logs.configure("ray", log_format=settings.log_format)
    run(settings, size, address=address, idle_seconds=idle_seconds)
