"""Sweeps, trials and logs as tables, or as JSON, an object a line."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.domain.formatting import ago, duration, look_text, number_range, percent, plural, score, setting, settings
from app.logs import printable

if TYPE_CHECKING:
    from pydantic import BaseModel

    from perceptune import DatasetOut, DatasetPreview, LogEntryOut, SweepOut, TrialOut

MAX_CLASSES = 20  # that are listed
PIPE_WIDTH = 10_000  # what reads a pipe wants whole lines


def print_json(models: Iterable[BaseModel]) -> None:
    """Each as one line."""
    for model in models:
        typer.echo(model.model_dump_json())


def print_sweeps(sweeps: Sequence[SweepOut]) -> None:
    """A row a sweep."""
    from perceptune.progress import ended_trials

    table = _table("#", "name", "state", "progress", "trials ended", "best", "made")
    for sweep in sweeps:
        best = score(sweep.best.value, sweep.best.std, str(sweep.objective.metric)) if sweep.best else "–"
        progress = percent(sweep.progress)
        row = (str(sweep.id), sweep.name, sweep.state, progress, ended_trials(sweep), best, ago(sweep.created_at))
        table.add_row(*map(_cell, row))
    _print(table)


def print_sweep(sweep: SweepOut, address: str, unit: str) -> None:
    """What is known of a sweep, a line a fact; `unit` is that of its data set's target."""
    table = _table("", "", has_heading=False)
    for name, fact in _facts(sweep, address, unit):
        table.add_row(name, _cell(fact))
    _print(table)


def print_datasets(datasets: Sequence[DatasetOut]) -> None:
    """A row a data set."""
    table = _table("name", "features", "classes", "train", "held out", "test", "from")
    for dataset in datasets:
        sizes = [dataset.features, dataset.classes, dataset.train - dataset.held_out, dataset.held_out, dataset.test]
        origin = dataset.source if dataset.content_hash else "built in"
        texts = [f"{size:,}" for size in sizes]
        if dataset.target == "number":
            texts[1] = "a number"
        table.add_row(*map(_cell, (dataset.name, *texts, origin or "–")))
    _print(table)


def print_columns(preview: DatasetPreview) -> None:
    """A row a column of a file, with what is done with it, then the classes or ranges of the target, and the split."""
    table = _table("column", "type", "missing", "what is done with it")
    for column in preview.columns:
        table.add_row(
            *map(_cell, (column.name, column.type, f"{column.missing:,}" if column.missing else "–", column.use))
        )
    _print(table)
    for note in preview.notes:
        typer.echo(printable(note))
    if preview.class_counts is None or preview.train is None or preview.held_out is None:
        typer.echo("Say which column is the target: --target NAME")
        return
    labels = preview.labels or [number_range(low, high) for low, high in pairwise(preview.ranges or [])]
    counts = zip(labels, preview.class_counts["train"], preview.class_counts["test"], strict=True)
    colon, comma = ("", ", ") if preview.labels else (":", "; ")
    listing = [f"{label}{colon} {train + test:,}" for label, train, test in counts]
    what = "Classes" if preview.labels else f"Numbers{preview.unit and f' in {preview.unit}'}"
    further = f"{comma}..." if len(listing) > MAX_CLASSES else ""
    typer.echo(printable(f"{what}: {comma.join(listing[:MAX_CLASSES])}{further}"))
    typer.echo(
        f"Rows: {preview.train - preview.held_out:,} to train on, {preview.held_out:,} to validate on, "
        f"{preview.test:,} to test on; {plural(preview.features or 0, 'feature')}"
    )


def print_trials(trials: Sequence[TrialOut], metric: str) -> None:
    """A row a trial, a column for each hyperparameter in which they differ."""
    names = dict.fromkeys(name for trial in trials for name in trial.params or {})
    varying = [name for name in names if len({setting((trial.params or {}).get(name)) for trial in trials}) > 1]
    table = _table("#", "state", metric, "runs", *(varying or names))
    for trial in trials:
        params = trial.params or {}
        cells = [setting(params[name]) if name in params else "–" for name in varying or names]
        value = score(trial.value, trial.std, metric)
        table.add_row(*map(_cell, (str(trial.number), trial.state, value, str(len(trial.runs)), *cells)))
    _print(table)


def print_log(entries: Sequence[LogEntryOut]) -> None:
    """A row an entry."""
    table = _table("when", "who", "what")
    for entry in entries:
        table.add_row(f"{entry.at:%Y-%m-%d %H:%M:%S}", _cell(entry.by or "–"), _cell(entry.text))
    _print(table)


def _facts(sweep: SweepOut, address: str, unit: str) -> list[tuple[str, str]]:
    """Names and values."""
    counts = sweep.counts.model_dump()
    facts = [
        ("sweep", f"{sweep.id}: {sweep.name}"),
        ("state", f"{sweep.state}, {percent(sweep.progress)}"),
        ("trials", ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "none"),
        ("data", f"{sweep.dataset}, {sweep.split}"),
    ]
    if sweep.best is not None:
        value = score(sweep.best.value, sweep.best.std, str(sweep.objective.metric))
        facts += [
            ("best", f"trial {sweep.best.number}, {sweep.objective.metric} {value}"),
            ("", settings(sweep.best.params)),
        ]
        if sweep.best.test_accuracy is not None:
            facts.append(("test accuracy", f"{sweep.best.test_accuracy:.4f}"))
        elif sweep.best.test_mae is not None:
            facts.append(("test score", look_text(sweep.best.model_dump(), unit)))
    if sweep.took_seconds is not None:
        facts.append(("took", duration(sweep.took_seconds)))
    return [*facts, ("page", f"{address}/sweeps/{sweep.id}")]


def _table(*columns: str, has_heading: bool = True) -> Table:
    table = Table(box=None, show_header=has_heading, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _cell(text: str) -> str:
    """A text as a cell shows it, whoever wrote it."""
    return escape(printable(text))


def _print(table: Table) -> None:
    Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)
