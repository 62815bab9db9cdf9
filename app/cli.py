"""The command line: `perceptune up | demo | exercise | sweep | run | ls | show | predict | data | db | …`.

Each command imports what it needs when it is called, so that none waits for what another one needs.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from app import logs
from app.config import Settings, is_loopback
from app.errors import exit_on_error
from app.exercises.preset import Preset
from app.service.commands.database_commands import database_commands
from app.service.commands.flags import Database, Device, Home, Host, Port, Server, ServerKey, Workers, settings_of
from app.service.commands.key_commands import key_commands
from app.service.commands.tables import tables
from app.service.ray.commands import ray_commands
from app.terminal.commands import commands
from app.terminal.data_commands import data_commands

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(database_commands, name="db")
app.add_typer(key_commands, name="keys")
app.add_typer(commands)
data = typer.Typer()
data.add_typer(data_commands)
app.add_typer(data, name="data")
app.add_typer(ray_commands, name="ray")


@app.command()
def up(
    home: Home = None,
    database_url: Database = None,
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    device: Device = None,
) -> None:
    """Serves the API and the dashboard and runs the workers, until Ctrl-C.

    Further settings: PERCEPTUNE_API_KEY, PERCEPTUNE_FIRST_KEY, PERCEPTUNE_PUBLIC_URL, PERCEPTUNE_OPEN,
    PERCEPTUNE_ALLOWED_HOSTS, PERCEPTUNE_LEASE_SECONDS, PERCEPTUNE_CHECKPOINT_SECONDS, PERCEPTUNE_TF32,
    PERCEPTUNE_BF16, PERCEPTUNE_WEBHOOK_PRIVATE, PERCEPTUNE_LOG_FORMAT, PERCEPTUNE_OTEL.
    """
    from app.access.commands import worker_command
    from app.db.engine import transaction
    from app.service.up import Service, stop_on_signals

    settings = settings_of(home=home, database_url=database_url, host=host, port=port, workers=workers, device=device)
    logs.configure("server", log_format=settings.log_format)
    stop = stop_on_signals()
    if sys.stdout.isatty():
        typer.echo("Perceptune starts its database, its server and its workers ...")
    with Service(settings) as service:
        typer.echo(f"Perceptune serves on {service.url} until Ctrl-C; the API is documented at {service.url}/api/docs")
        if not is_loopback(settings.host):
            with transaction(service.engine) as session:
                command = worker_command(session, service.public_url, needs_key=settings.api_key is not None)
            typer.echo(f"One more worker, on another machine: {command}")
        stop.wait()
        typer.echo("stopping")


@app.command()
def demo(
    home: Home = None,
    database_url: Database = None,
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    device: Device = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer widths and epochs.")] = False,
) -> None:
    """Answers exercise 1 of the book on this machine: how many hidden units?

    Trains, shows a table, writes exercise-1.html here, and on a terminal goes on serving until Ctrl-C.
    """
    from app.service.exercises import run_exercises

    settings = settings_of(home=home, database_url=database_url, host=host, port=port, workers=workers, device=device)
    run_exercises(settings, [1], "quick" if quick else "full")


@app.command()
def exercise(
    number: Annotated[int | None, typer.Argument(help="Number of the exercise; left out, all of them.")] = None,
    home: Home = None,
    database_url: Database = None,
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    device: Device = None,
    preset: Annotated[Preset, typer.Option(help="How thoroughly; quick takes at most two minutes each.")] = "quick",
) -> None:
    """Answers an exercise of the book on this machine, or all of them one after the other.

    Trains, shows the answer, writes exercise-N.html or exercises.html here, and on a terminal goes on serving until
    Ctrl-C.
    """
    from app.service.exercises import all_numbers, run_exercises

    settings = settings_of(home=home, database_url=database_url, host=host, port=port, workers=workers, device=device)
    run_exercises(settings, all_numbers() if number is None else [number], preset)


@app.command()
def worker(
    home: Home = None,
    database_url: Database = None,
    device: Device = None,
    server: Server = None,
    key: ServerKey = None,
) -> None:
    """Runs one worker for the same database, on this or another machine, until Ctrl-C.

    With --server it needs no database: it takes its work from that server, over HTTP.

    Further settings: PERCEPTUNE_LEASE_SECONDS, PERCEPTUNE_CHECKPOINT_SECONDS, PERCEPTUNE_TF32, PERCEPTUNE_BF16,
    PERCEPTUNE_LOG_FORMAT, PERCEPTUNE_PULSE_FILE.
    """
    _replace_process("worker", settings_of(home=home, database_url=database_url, device=device, server=server, key=key))


@app.command(
    add_help_option=False,  # the arguments are the other program's, --help too
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
def predict(context: typer.Context) -> None:
    """Says what a trained model sees in images or rows."""
    _replace_process("worker.predict", settings_of(), *context.args)


@data.callback(invoke_without_command=True)
def fetch_data(context: typer.Context, home: Home = None) -> None:
    """Stores data sets of your own. Alone it downloads Fashion-MNIST, or checks the copy that is there."""
    if context.invoked_subcommand is None:
        _replace_process("worker", settings_of(home=home), "--fetch-data")


@app.command()
def doctor(
    home: Home = None,
    database_url: Database = None,
    host: Host = None,
    port: Port = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Looks at all that a service needs, a line each with what to do; exit code 1 where something does not work."""
    from app.service.doctor import examination

    findings = []
    for finding in examination.examine(settings_of(home=home, database_url=database_url, host=host, port=port)):
        findings.append(finding)
        if not as_json:
            typer.echo(examination.as_line(finding))
    if as_json:
        typer.echo(examination.as_json(findings))
    raise typer.Exit(1 if examination.has_failed(findings) else 0)


@app.command()
def optuna_export(
    sweep: Annotated[int, typer.Argument(help="Number of the sweep.")],
    url: Annotated[str, typer.Argument(help="Optuna's storage, e.g. sqlite:///sweep.db.")],
    home: Home = None,
    database_url: Database = None,
) -> None:
    """Writes a sweep as a study into a storage of Optuna's, which optuna-dashboard opens."""
    from app.files import optuna_export

    with tables(home, database_url) as engine:
        typer.echo(f"The study is {optuna_export.export(engine, sweep, url)!r}.")


@app.command()
def optuna_import(
    url: Annotated[str, typer.Argument(help="Optuna's storage, e.g. sqlite:///sweep.db.")],
    study: Annotated[str | None, typer.Argument(help="Name of the study, where there are several.")] = None,
    dataset: Annotated[str, typer.Option(help="What was trained on; a study that Perceptune wrote knows it.")] = (
        "fashion_mnist"
    ),
    home: Home = None,
    database_url: Database = None,
) -> None:
    """Reads a study from a storage of Optuna's as a new sweep."""
    from app.db.engine import transaction
    from app.files import optuna_import

    with tables(home, database_url) as engine, transaction(engine) as session:
        sweep = optuna_import.restore(session, url, study, dataset=dataset)
        typer.echo(f"Sweep {sweep.id} is {sweep.name!r}, {sweep.state}.")


def _replace_process(module: str, settings: Settings, *arguments: str) -> None:
    """Replaces this process by another program: the server's code imports no torch and nothing of the worker."""
    environment = os.environ | {"PERCEPTUNE_HOME": str(settings.home)}
    if settings.database_url is not None:
        environment["DATABASE_URL"] = settings.database_url
    for name in ("device", "server", "key"):
        if (value := getattr(settings, name)) is not None:
            environment[f"PERCEPTUNE_{name.upper()}"] = value
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", module, *arguments], environment)


def main() -> None:
    """Errors that are meant for the user are one sentence and exit code 1."""
    with exit_on_error():
        app()
