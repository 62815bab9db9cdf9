"""The commands for data sets of one's own: `data add`, `data ls` and `data rm`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.errors import InvalidError
from app.terminal import tables
from app.terminal.commands import AsJson, Url
from app.terminal.connection import connection

data_commands = typer.Typer()

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the data set.")]
Columns = list[str] | None


@data_commands.command()
def add(
    file: Annotated[
        str,
        typer.Argument(
            help="CSV (also .gz), Parquet, .npz or .npy; or sklearn:iris, sklearn:wine or sklearn:breast_cancer."
        ),
    ],
    target: Annotated[str | None, typer.Option(help="The column to tell from the others.")] = None,
    name: Annotated[str | None, typer.Option(help="By which sweeps name it; else that of the file.")] = None,
    drop: Annotated[Columns, typer.Option(help="A column to leave out; may be given several times.")] = None,
    category: Annotated[Columns, typer.Option(help="A column of numbers that are names; several times.")] = None,
    test_share: Annotated[float | None, typer.Option(help="Of all rows, those to test on. [default: 0.2]")] = None,
    held_out_share: Annotated[float | None, typer.Option(help="Of the others, to validate on. [default: 0.2]")] = None,
    seed: Annotated[int | None, typer.Option(help="Which rows they are. [default: 0]")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would become of it, and store nothing.")
    ] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Stores a table or arrays as a data set, after it has shown what becomes of each column."""
    shares = {"test_share": test_share, "held_out_share": held_out_share, "seed": seed}
    options: dict[str, Any] = {"target": target, **shares, "drop": drop or None, "category": category or None}
    try:
        with connection(url) as client:
            preview = client.preview_dataset(file, **options)
            if not as_json:
                tables.print_columns(preview)
            if dry_run:
                if as_json:
                    tables.print_json([preview])
                return
            dataset = client.add_dataset(file, name, **options)
            if as_json:
                tables.print_json([dataset])
            else:
                typer.echo(f"Stored as {dataset.name}: {client.url}/datasets/{dataset.name}")
    except OSError as error:
        raise InvalidError(f"{file} can't be read: {error.strerror}.") from None
    except ValueError as error:
        raise InvalidError(f"{error}.") from None


@data_commands.command("ls")
def list_datasets(url: Url = None, as_json: AsJson = False) -> None:
    """Lists the data sets that a sweep can name."""
    with connection(url) as client:
        datasets = client.datasets()
    tables.print_json(datasets) if as_json else tables.print_datasets(datasets)


@data_commands.command("rm")
def remove(name: Name, url: Url = None) -> None:
    """Deletes a stored data set that no sweep is on."""
    with connection(url) as client:
        client.delete_dataset(name)
    typer.echo(f"{name} is deleted.")
