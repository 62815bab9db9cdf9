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
            help="CSV (also .gz), Parquet, .npz or .npy; a folder of IDX files; sklearn:iris, sklearn:wine, "
            "sklearn:breast_cancer, sklearn:california_housing or sklearn:covertype; download:mnist or download:kmnist."
        ),
    ],
    target: Annotated[str | None, typer.Option(help="The column to tell from the others.")] = None,
    name: Annotated[str | None, typer.Option(help="By which sweeps name it; else that of the file.")] = None,
    drop: Annotated[Columns, typer.Option(help="A column to leave out; may be given several times.")] = None,
    category: Annotated[Columns, typer.Option(help="A column of numbers that are names; several times.")] = None,
    task: Annotated[
        str | None, typer.Option(help="classification or regression; else what the target looks like.")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="What a target that is a number is counted in, e.g. EUR.")] = None,
    test_share: Annotated[float | None, typer.Option(help="Of all rows, those to test on. [default: 0.2]")] = None,
    held_out_share: Annotated[float | None, typer.Option(help="Of the others, to validate on. [default: 0.2]")] = None,
    split_by: Annotated[
        str | None, typer.Option(help="A column that says of each row: train, validation or test.")
    ] = None,
    groups: Annotated[str | None, typer.Option(help="A column by whose values rows stay in one part.")] = None,
    seed: Annotated[int | None, typer.Option(help="Which rows they are. [default: 0]")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would become of it, and store nothing.")
    ] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Stores a table or arrays as a data set, after it has shown what becomes of each column."""
    target_options = {"target": target, "task": task, "unit": unit}
    shares = {"test_share": test_share, "held_out_share": held_out_share, "seed": seed}
    parts = {"split_by": split_by, "groups": groups}
    options: dict[str, Any] = {**target_options, **shares, **parts, "drop": drop or None, "category": category or None}
    try:
        with connection(url) as client:
            from perceptune.data_files import file_of

            data = file_of(file)  # once: it may be a download
            preview = client.preview_dataset(data, **options)
            if not as_json:
                tables.print_columns(preview)
            if dry_run:
                if as_json:
                    tables.print_json([preview])
                return
            dataset = client.add_dataset(data, name, **options)
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
