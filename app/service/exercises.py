"""Exercises at the command line: trains them on this machine, prints progress and answers, and writes the report."""

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy.orm import Session

from app import logs, queries
from app.charts.labels import params_text, varying
from app.charts.rows import EpochRow, TrialRow
from app.config import Settings
from app.db.engine import transaction
from app.domain.formatting import remaining
from app.errors import StartError
from app.exercises.preset import Preset
from app.exercises.registry import EXERCISES, exercise
from app.service.up import Service, stop_on_signals
from app.sweeps.exercises import reports, results, runs
from app.sweeps.exercises.measuring import measurements
from app.sweeps.exercises.results import RunView

POLL_SECONDS = 0.5
SCORING_SECONDS = 30.0  # how long the test images are waited for, once all is trained
LINE_SECONDS = 5.0  # between two lines of progress where there is no terminal


def run_exercises(settings: Settings, numbers: Sequence[int], preset: Preset) -> None:
    """Runs these exercises one after the other and writes their report here, on a terminal until Ctrl-C.

    Raises NotFoundError for an unknown number, and StartError when they can't be run.
    """
    titles = {number: exercise(number).title for number in numbers}
    report = Path(f"exercise-{numbers[0]}.html" if len(titles) == 1 else "exercises.html")
    if not os.access(report if report.exists() else Path.cwd(), os.W_OK):
        raise StartError(f"{report.absolute()} can't be written: run it in a folder of yours.")
    console = Console(highlight=False, soft_wrap=True)
    _fetch_data(settings)
    log = settings.home / "logs" / "exercises.log"
    logs.configure("exercises", log, settings.log_format)
    stop = stop_on_signals()
    with Service(settings, log) as service:
        console.print(f"Perceptune serves on {service.url} with {service.workers.count} workers; the log is {log}")
        for number in numbers:
            _run_exercise(console, service, number, preset, stop.is_set)
            if stop.is_set():
                console.print("Stopped; the same command, or `perceptune up`, goes on where it was.")
                return
        with transaction(service.engine) as session:
            report.write_text(_report(session, numbers), encoding="utf-8")
        path = f"/exercises/{numbers[0]}" if len(titles) == 1 else "/exercises"
        console.print(f"\nThe charts are in {report}; the dashboard is at {service.url}{path}")
        if sys.stdout.isatty():
            console.print("Serving until Ctrl-C.")
            stop.wait()


def all_numbers() -> list[int]:
    """The exercises that there are, in their order."""
    return list(EXERCISES)


def _fetch_data(settings: Settings) -> None:
    command = [sys.executable, "-m", "worker", "--fetch-data"]
    process = subprocess.run(command, env=os.environ | {"PERCEPTUNE_HOME": str(settings.home)}, check=False)
    if process.returncode:
        sys.exit(1)  # the process has printed why


def _run_exercise(console: Console, service: Service, number: int, preset: Preset, stopped: Callable[[], bool]) -> None:
    """Runs one exercise until it has its answer, and prints that. Raises StartError when it has none."""
    with transaction(service.engine) as session:
        run_id = _run_to_watch(session, number, preset)
    definition = exercise(number)
    console.print(f"\n[bold]Exercise {number}[/bold] ({definition.source}): {definition.question}\n")
    _watch(console, service, number, run_id, stopped)
    if not stopped():
        _print_answer(console, service, number, run_id)


def _report(session: Session, numbers: Sequence[int]) -> str:
    run = runs.shown_run(session, numbers[0])
    return reports.report(session, run) if len(numbers) == 1 and run else reports.report_of_all(session)


def _run_to_watch(session: Session, number: int, preset: Preset) -> int:
    """The id of the latest run if that has not ended, else of a new one."""
    latest = runs.latest(session, number)
    if latest is not None and latest.preset == preset:
        run = results.view(session, latest)
        if run.state in {"queued", "running"}:
            return run.id
    return runs.start(session, number, preset).id


def _watch(console: Console, service: Service, number: int, run_id: int, stopped: Callable[[], bool]) -> None:
    """Prints the run's progress until it is over. Raises StartError when no worker can be started."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task("starting", total=1.0)
        line_at, over_at = 0.0, 0.0
        while not stopped():
            if service.workers.failure:
                raise StartError(f"No worker runs: {service.workers.failure}. Its log says why.")
            run, best = _read(service, number, run_id)
            text = _progress_text(run, best)
            bars.update(bar, completed=run.progress, description=text)
            if not console.is_terminal and time.monotonic() >= line_at:
                console.print(f"{run.progress:4.0%}  {text}")
                line_at = time.monotonic() + LINE_SECONDS
            if run.is_over:
                over_at = over_at or time.monotonic()
                if run.state != "completed" or _is_scored(run) or time.monotonic() - over_at > SCORING_SECONDS:
                    return
            time.sleep(POLL_SECONDS)


def _read(service: Service, number: int, run_id: int) -> tuple[RunView, str]:
    """The run, and in words the best of its first sweep so far."""
    with transaction(service.engine) as session:
        run = runs.get(session, number, run_id)
        data = next(iter(measurements(session, run).values()))
        return results.view(session, run), _best_so_far(data.trials, data.epochs)


def _is_scored(run: RunView) -> bool:
    scored_bests = [sweep.best for sweep in run.sweeps if sweep.task == "train_mlp" and sweep.split == "holdout"]
    return all(best is None or best.test_accuracy is not None for best in scored_bests)


def _progress_text(run: RunView, best: str) -> str:
    counts, epochs = [sweep.counts for sweep in run.sweeps], [sweep.epochs for sweep in run.sweeps]
    ended = sum(count.complete + count.failed + count.pruned + count.cancelled for count in counts)
    texts = [f"{ended}/{sum(sweep.n_trials or 0 for sweep in run.sweeps)} trials"]
    if total := sum(count.total or 0 for count in epochs):
        texts.append(f"{sum(count.done for count in epochs)}/{total} epochs")
    if best:
        texts.append(f"best {best}")
    seconds = [sweep.eta_seconds for sweep in run.sweeps if sweep.eta_seconds is not None]
    if seconds and not run.is_over:
        texts.append(f"{remaining(sum(seconds))} left")
    return ", ".join(texts)


def _best_so_far(trials: Sequence[TrialRow], epochs: Sequence[EpochRow]) -> str:
    """The best trial by its mean validation accuracy over its seeds, at the last epoch that all of them have."""
    curves: dict[tuple[int, int], list[float]] = defaultdict(list)
    for point in epochs:
        curves[point.trial, point.epoch].append(point.val_accuracy or 0.0)
    mean_accuracy: dict[int, float] = {}
    for (trial, _), accuracies in sorted(curves.items()):
        if len(accuracies) == max(len(curves[trial, 1]), 1):
            mean_accuracy[trial] = fmean(accuracies)
    if not mean_accuracy:
        return ""
    best = max(mean_accuracy, key=lambda trial: mean_accuracy[trial])
    params = next(row.params for row in trials if row.number == best)
    return f"{mean_accuracy[best]:.4f} with {params_text(params, varying(trials))}"


def _print_answer(console: Console, service: Service, number: int, run_id: int) -> None:
    """Prints the table and the answer."""
    with transaction(service.engine) as session:
        view = results.view(session, runs.get(session, number, run_id))
        trials = queries.list_trials(session, view.sweeps[0].id).items
    if view.state != "completed":
        reason = next((row.error for row in trials if row.error), "no trial has a result")
        raise StartError(f"The exercise ended {view.state}: {reason}.")
    table = Table(show_edge=False)
    for name in view.answer.header:
        table.add_column(name, justify="right")
    for row in view.answer.rows:
        table.add_row(*row)
    console.print(table)
    for passage in reports.passages(view.answer):
        text = "\n".join(passage.paragraphs)
        console.print(f"\n[bold]{passage.heading}[/bold]\n{text}" if passage.heading else f"\n{text}")
