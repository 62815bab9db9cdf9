"""The commands: `sweep`, `run`, `ls`, `show`, `trials`, `chart`, `logs`, `export-mlflow` and `export-wandb`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.errors import InvalidError, StartError
from app.terminal import reports, requirements, tables
from app.terminal.connection import connection
from app.terminal.sweep_file import read_sweep

if TYPE_CHECKING:
    from perceptune import Client, Sweep, SweepOut

NOT_MET = 3  # the exit code where the sweep is not what was required

commands = typer.Typer()

Number = Annotated[int, typer.Argument(metavar="SWEEP", help="Number of the sweep.", min=1)]
File = Annotated[
    Path, typer.Argument(help="The sweep, as YAML or JSON: the body of POST /api/v1/sweeps; - for standard input.")
]
Url = Annotated[str | None, typer.Option("--url", help="Address of the server; else this machine's. [PERCEPTUNE_URL]")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Timeout = Annotated[float | None, typer.Option(help="Seconds to wait; the sweep goes on after them.", min=0)]


@commands.command()
def sweep(
    file: File,
    watch: Annotated[bool, typer.Option("--watch", help="Show its progress until it ends, then its best.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Queues the sweep of a file on a running server."""
    body = read_sweep(file)
    with connection(url) as client:
        queued = client.sweep(**body)
        if watch:
            queued.wait()
        if as_json:
            tables.print_json([queued.data])
        elif watch:
            tables.print_sweep(queued.data, client.url, _unit(client, queued.data))
        else:
            typer.echo(f"Sweep {queued.id} is {queued.name!r}, {queued.state}: {client.url}/sweeps/{queued.id}")


@commands.command()
def run(
    file: File,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it ends; what follows waits too.")] = False,
    require: Annotated[
        list[str] | None, typer.Option(help="What has to hold, e.g. 'best >= 0.95'; may be given several times.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the checks as JUnit's XML.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the checks and the best as Markdown.")] = None,
    timeout: Timeout = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Runs the sweep of a file as a job of CI: exit code 3 where it is not completed, or not what is required.

    Figures: best, expected, bound, complete, failed, seconds.
    """
    required = [requirements.parse(text) for text in require or []]
    body = read_sweep(file)
    with connection(url) as client:
        queued = client.sweep(**body)
        typer.echo(f"Sweep {queued.id} is {queued.name!r}: {client.url}/sweeps/{queued.id}", err=as_json)
        waits = wait or bool(required) or junit is not None or markdown is not None
        if waits:
            queued.wait(timeout=timeout, progress=True)
    if as_json:
        tables.print_json([queued.data])
    if waits:
        _judge(queued, required, junit, markdown, quiet=as_json)


def _judge(
    queued: Sweep, required: list[requirements.Requirement], junit: Path | None, markdown: Path | None, *, quiet: bool
) -> None:
    """Writes the reports and ends with NOT_MET where a check did not pass."""
    checks = requirements.checks(queued.data, required)
    for path, text in ((junit, reports.junit), (markdown, reports.markdown)):
        if path is not None:
            _write(path, text(queued.data, checks))
    for check in checks:
        mark = "passed" if check.passed else "FAILED"
        typer.echo(f"{mark}: {check.text} ({check.detail})", err=quiet or not check.passed)
    if not all(check.passed for check in checks):
        raise typer.Exit(NOT_MET)


@commands.command("ls")
def list_sweeps(
    state: Annotated[str | None, typer.Option(help="Only sweeps in this state.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only sweeps with this tag.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Lists the sweeps of a running server, the newest first."""
    with connection(url) as client:
        sweeps = [entry.data for entry in client.sweeps(state=state, tag=tag)]
    tables.print_json(sweeps) if as_json else tables.print_sweeps(sweeps)


@commands.command()
def show(number: Number, url: Url = None, as_json: AsJson = False) -> None:
    """Shows how a sweep stands, and its best configuration."""
    with connection(url) as client:
        shown_sweep = client.get(number).data
        if as_json:
            tables.print_json([shown_sweep])
        else:
            tables.print_sweep(shown_sweep, client.url, _unit(client, shown_sweep))


@commands.command()
def trials(
    number: Number,
    best: Annotated[bool, typer.Option("--best", help="Complete ones, the best first.")] = False,
    limit: Annotated[int, typer.Option(help="At most so many; 0 for all.", min=0)] = 20,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Lists the trials of a sweep."""
    with connection(url) as client:
        entry = client.get(number)
        rows = _best_trials(entry) if best else entry.trial_models()
    rows = rows[: limit or None]
    tables.print_json(rows) if as_json else tables.print_trials(rows, str(entry.data.objective.metric))


def _best_trials(entry: Sweep) -> list[Any]:
    """Complete trials by value, without those that are excluded."""
    order = "-value" if entry.data.objective.direction == "maximize" else "value"
    return [trial for trial in entry.trial_models(state="complete", order_by=order) if not trial.excluded]


@commands.command()
def chart(
    number: Number,
    name: Annotated[str, typer.Argument(help="effect, heatmap, curves, importance, history, ...")],
    x: Annotated[
        str | None, typer.Option("--x", help="Hyperparameter along the axis; a metric too for scatter.")
    ] = None,
    y: Annotated[
        str | None, typer.Option("--y", help="Hyperparameter along the other axis; a metric for scatter.")
    ] = None,
    color: Annotated[str | None, typer.Option(help="Hyperparameter that colours tell apart.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="Any other option, e.g. top=20 or metric=last.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A .html, .json, .png or .svg file.")] = None,
    url: Url = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figure as plotly's JSON.")] = False,
) -> None:
    """Writes a chart of a sweep as a page that stands alone, a picture, or plotly's JSON."""
    options = {key: value for key, value in {"x": x, "y": y, "color": color}.items() if value is not None}
    options |= dict(_pair(text) for text in option or [])
    path = output or Path(f"sweep-{number}-{name}.html")
    kind = path.suffix.lower()
    if kind not in {".html", ".json", ".png", ".svg"}:
        raise InvalidError(f"{path} must end in .html, .json, .png or .svg.")
    with connection(url) as client:
        entry = client.get(number)
        if as_json:
            typer.echo(json.dumps(entry.chart_json(name, **options)))
            return
        _write(path, _chart_file(entry, name, kind, options))
    typer.echo(f"The chart is in {path}")


@commands.command()
def logs(
    number: Number,
    limit: Annotated[int, typer.Option(help="At most so many; 0 for all.", min=0)] = 50,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Says who changed a sweep and when, and what befell it, the newest first."""
    with connection(url) as client:
        entries = client.get(number).log()[: limit or None]
    tables.print_json(entries) if as_json else tables.print_log(entries)


@commands.command()
def export_mlflow(
    number: Number,
    uri: Annotated[str, typer.Argument(metavar="URI", help="Address of MLflow, e.g. http://127.0.0.1:5000.")],
    experiment: Annotated[str | None, typer.Option(help="The experiment to write into; else one of its own.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Writes a sweep into an MLflow server: a run for each trained trial, each once, the best with its network."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # MLflow's client tells its makers of its use otherwise
    with connection(url) as client, _told_what_is_missing("mlflow"):
        export = client.get(number).to_mlflow(uri, experiment)
    if as_json:
        typer.echo(json.dumps(export._asdict()))
        return
    typer.echo(
        f"Experiment {export.experiment!r}: {export.new_runs} runs written, {export.unchanged_runs} as they were."
    )
    if not export.has_model:
        typer.echo("It has no network: the sweep has no best one, or did not keep it.")
    typer.echo(export.address)


@commands.command()
def export_wandb(
    number: Number,
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="The project of W&B to write into.")],
    offline: Annotated[bool, typer.Option("--offline", help="Write files, for `wandb sync`. [WANDB_MODE]")] = False,
    folder: Annotated[Path | None, typer.Option(help="Where the files are written; else here. [WANDB_DIR]")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Writes a sweep into a project of W&B: a run for each trained trial, the best with its network."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # W&B's client tells its makers of its errors otherwise
    with connection(url) as client, _told_what_is_missing("wandb"):
        export = client.get(number).to_wandb(project, offline=offline, folder=folder)
    if as_json:
        typer.echo(json.dumps(export._asdict()))
        return
    typer.echo(f"Project {export.project!r}: {export.runs} runs written.")
    if not export.has_model:
        typer.echo("It has no network: the sweep has no best one, or did not keep it.")
    for place in export.places:
        typer.echo(place)


@contextmanager
def _told_what_is_missing(package: str) -> Iterator[None]:
    """Says what to install where it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise StartError(f"{error}.") from None


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise InvalidError(f"--option {text!r} has no value: write e.g. --option top=20")
    return name, value


def _chart_file(entry: Sweep, name: str, kind: str, options: dict[str, str]) -> str | bytes:
    """A chart as a file of this kind."""
    if kind == ".html":
        return entry.chart_page(name, **options)
    if kind == ".json":
        return json.dumps(entry.chart_json(name, **options))
    return entry.chart_picture(name, "png" if kind == ".png" else "svg", **options)


def _write(path: Path, content: str | bytes) -> None:
    try:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise InvalidError(f"{path} can't be written: {error.strerror}.") from None


def _unit(client: Client, sweep: SweepOut) -> str:
    """What the target of a sweep's data set is counted in, where something is shown in it."""
    return client.dataset(sweep.dataset).unit if sweep.best and sweep.best.test_mae is not None else ""
