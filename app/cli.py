"""The command line: `perceptune up | demo | exercise | sweep | run | ls | show | predict | data | db | …`."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Engine

from app import logs
from app.config import Settings, load_settings
from app.db.engine import connect, connect_past_pooler, transaction
from app.db.migrations import migrate
from app.domain.people.roles import Role
from app.errors import exit_on_error
from app.exercises.exercise import Preset
from app.service.database import database
from app.service.up import Service, stop_on_signals
from app.terminal.commands import commands
from app.terminal.data_commands import data_commands

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
db = typer.Typer(no_args_is_help=True, help="The database's tables.")
app.add_typer(db, name="db")
keys = typer.Typer(no_args_is_help=True, help="Keys for people and programs.")
app.add_typer(keys, name="keys")
app.add_typer(commands)
data = typer.Typer()
data.add_typer(data_commands)
app.add_typer(data, name="data")


def _flag(name: str, help: str, variable: str | None = None) -> object:
    return typer.Option(f"--{name}", help=f"{help} [{variable or 'PERCEPTUNE_' + name.upper().replace('-', '_')}]")


Home = Annotated[str | None, _flag("home", "Data folder: embedded database, data sets.")]
Database = Annotated[str | None, _flag("database-url", "A Postgres in place of the embedded one.", "DATABASE_URL")]
Host = Annotated[str | None, _flag("host", "Address to serve on; default 127.0.0.1.")]
Port = Annotated[str | None, _flag("port", "Port to serve on; default 8000.")]
Workers = Annotated[str | None, _flag("workers", "Workers to start; default one a GPU, else one a core; 0 for none.")]
Device = Annotated[str | None, _flag("device", "Device of the workers: cpu, cuda, cuda:N or mps.")]


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
    PERCEPTUNE_WEBHOOK_PRIVATE, PERCEPTUNE_LOG_FORMAT, PERCEPTUNE_OTEL.
    """
    settings = _settings(home=home, database_url=database_url, host=host, port=port, workers=workers, device=device)
    logs.configure("server", log_format=settings.log_format)
    stop = stop_on_signals()
    with Service(settings) as service:
        typer.echo(f"Perceptune serves on {service.url} until Ctrl-C; the API is documented at {service.url}/api/docs")
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

    settings = _settings(home=home, database_url=database_url, host=host, port=port, workers=workers, device=device)
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

    settings = _settings(home=home, database_url=database_url, host=host, port=port, workers=workers, device=device)
    run_exercises(settings, all_numbers() if number is None else [number], preset)


@app.command()
def worker(home: Home = None, database_url: Database = None, device: Device = None) -> None:
    """Runs one worker for the same database, on this or another machine, until Ctrl-C.

    Further settings: PERCEPTUNE_LEASE_SECONDS, PERCEPTUNE_CHECKPOINT_SECONDS, PERCEPTUNE_TF32, PERCEPTUNE_LOG_FORMAT,
    PERCEPTUNE_PULSE_FILE.
    """
    _replace_process("worker", _settings(home=home, database_url=database_url, device=device))


@app.command(
    add_help_option=False,  # the arguments are the other program's, --help too
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
def predict(context: typer.Context) -> None:
    """Says what a trained model sees in images or rows."""
    _replace_process("worker.predict", _settings(), *context.args)


@data.callback(invoke_without_command=True)
def fetch_data(context: typer.Context, home: Home = None) -> None:
    """Stores data sets of your own. Alone it makes Fashion-MNIST be in the data folder, every byte checked."""
    if context.invoked_subcommand is None:
        _replace_process("worker", _settings(home=home), "--fetch-data")


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
    for finding in examination.examine(_settings(home=home, database_url=database_url, host=host, port=port)):
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

    with _tables(home, database_url) as engine:
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
    from app.files import optuna_import

    with _tables(home, database_url) as engine, transaction(engine) as session:
        sweep = optuna_import.restore(session, url, study, dataset=dataset)
        typer.echo(f"Sweep {sweep.id} is {sweep.name!r}, {sweep.state}.")


@contextlib.contextmanager
def _tables(home: str | None, database_url: str | None) -> Iterator[Engine]:
    """The engine of the database, whose tables are brought to this version first."""
    with database(_settings(home=home, database_url=database_url)) as settings:
        assert settings.database_url is not None
        engine = connect(settings.database_url)
        migrate(engine)
        yield engine
        engine.dispose()


@db.command()
def upgrade(home: Home = None, database_url: Database = None) -> None:
    """Brings the tables to this version; `up` does so by itself."""
    with database(_settings(home=home, database_url=database_url)) as settings:
        assert settings.database_url is not None
        migrate(connect(settings.database_url))
        typer.echo("The tables are those of this version.")


@db.command()
def dump(
    file: Annotated[Path, typer.Argument(help="The file to write.")],
    home: Home = None,
    database_url: Database = None,
) -> None:
    """Writes the whole database into a file, also while server and workers run on it."""
    from app.db.dumps.dump import dump as write_dump

    with database(_settings(home=home, database_url=database_url)) as settings:
        assert settings.database_url is not None
        header = write_dump(connect_past_pooler(settings.database_url), file)
        typer.echo(f"{file} has {header.rows:,} rows, of Perceptune {header.program} and Postgres {header.postgres}.")


@db.command()
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

    with database(_settings(home=home, database_url=database_url)) as settings:
        assert settings.database_url is not None
        header = read_dump(connect_past_pooler(settings.database_url), file, replace=replace)
        typer.echo(f"{header.rows:,} rows are restored, as they were at {header.at}.")


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="Whose it is, or what for.")],
    role: Annotated[Role, typer.Option(help="read looks, write changes sweeps, admin makes keys.")] = Role.write,
    days: Annotated[int | None, typer.Option(help="Until it expires; left out, it does not.")] = None,
    home: Home = None,
    database_url: Database = None,
) -> None:
    """Makes a key and prints it, this once. From the first one on, every call to the server needs a key."""
    from app.access.commands import create

    with _tables(home, database_url) as engine, transaction(engine) as session:
        typer.echo(create(session, name, role, days))


@keys.command("list")
def list_keys(home: Home = None, database_url: Database = None) -> None:
    """Prints the keys: number, what each begins with, name, role, state, when it was used last."""
    from app.access.commands import lines

    with _tables(home, database_url) as engine, transaction(engine) as session:
        for line in lines(session):
            typer.echo(line)


@keys.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(help="Its name, or its number.")],
    home: Home = None,
    database_url: Database = None,
) -> None:
    """Ends a key, and with it every session that was begun with it; running servers heed it within seconds."""
    from app.access.commands import revoke

    with _tables(home, database_url) as engine, transaction(engine) as session:
        typer.echo(revoke(session, key))


def _settings(**flags: str | None) -> Settings:
    return load_settings(flags)


def _replace_process(module: str, settings: Settings, *arguments: str) -> None:
    """Replaces this process by another program: the server's code imports no torch and nothing of the worker."""
    environment = os.environ | {"PERCEPTUNE_HOME": str(settings.home)}
    if settings.database_url is not None:
        environment["DATABASE_URL"] = settings.database_url
    if settings.device is not None:
        environment["PERCEPTUNE_DEVICE"] = settings.device
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", module, *arguments], environment)


def main() -> None:
    """Errors that are meant for the user are one sentence and exit code 1."""
    with exit_on_error():
        app()
