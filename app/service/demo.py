"""The demo: trains exercise 1 on this machine, prints its progress and answer, and writes the report."""

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
from app.charts.rows import EpochRow, TrialRow
from app.config import Settings
from app.db.engine import transaction
from app.errors import StartError
from app.exercises.exercise import Preset
from app.exercises.registry import exercise
from app.queries import chart_rows
from app.schemas import SweepOut
from app.service.up import Service, stop_on_signals
from app.sweeps import exercise_runs
from app.sweeps.exercise_runs import RunView

NUMBER = 1
POLL_SECONDS = 0.5
SCORING_SECONDS = 30.0  # how long the test images are waited for, once all is trained
LINE_SECONDS = 5.0  # between two lines of progress where there is no terminal
REPORT = Path("exercise-1.html")


def run_demo(settings: Settings, preset: Preset) -> None:
    """Runs the demo until it has its answer, on a terminal until Ctrl-C. Raises StartError when it can't."""
    if not os.access(REPORT if REPORT.exists() else Path.cwd(), os.W_OK):
        raise StartError(f"{REPORT.absolute()} can't be written: run it in a folder of yours.")
    console = Console(highlight=False, soft_wrap=True)
    _fetch_data(settings)
    log = settings.home / "logs" / "demo.log"
    logs.configure("demo", log)
    stop = stop_on_signals()
    with Service(settings, log) as service:
        console.print(f"Perceptune serves on {service.url} with {service.workers.count} workers; the log is {log}")
        with transaction(service.engine) as session:
            run_id = _run_to_watch(session, preset)
        demo_exercise = exercise(NUMBER)
        console.print(f"[bold]Exercise {NUMBER}[/bold] ({demo_exercise.source}): {demo_exercise.question}\n")
        _watch(console, service, run_id, stop.is_set)
        if stop.is_set():
            console.print("Stopped; the same command, or `perceptune up`, goes on where it was.")
            return
        _print_answer(console, service, run_id)
        console.print(f"\nThe chart is in {REPORT}; the dashboard is at {service.url}/exercises/{NUMBER}")
        if sys.stdout.isatty():
            console.print("Serving until Ctrl-C.")
            stop.wait()


def _fetch_data(settings: Settings) -> None:
    command = [sys.executable, "-m", "worker", "--fetch-data"]
    process = subprocess.run(command, env=os.environ | {"PERCEPTUNE_HOME": str(settings.home)}, check=False)
    if process.returncode:
        sys.exit(1)  # the process has printed why


def _run_to_watch(session: Session, preset: Preset) -> int:
    """The id of the latest run if that has not ended, else of a new one."""
    latest = exercise_runs.latest(session, NUMBER)
    if latest is not None and latest.preset == preset:
        run = exercise_runs.view(session, latest)
        if run.state in {"queued", "running"}:
            return run.id
    return exercise_runs.start(session, NUMBER, preset).id


def _watch(console: Console, service: Service, run_id: int, stopped: Callable[[], bool]) -> None:
    """Prints the run's progress until it is over. Raises StartError when no worker can be started."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task("starting", total=1.0)
        line_at, over_at = 0.0, 0.0
        while not stopped():
            if service.workers.failure:
                raise StartError(f"No worker runs: {service.workers.failure}. Its log says why.")
            run, sweep, best = _read(service, run_id)
            text = _progress_text(sweep, best)
            bars.update(bar, completed=run.progress, description=text)
            if not console.is_terminal and time.monotonic() >= line_at:
                console.print(f"{run.progress:4.0%}  {text}")
                line_at = time.monotonic() + LINE_SECONDS
            if exercise_runs.is_over(run):
                over_at = over_at or time.monotonic()
                if run.state != "completed" or _is_scored(sweep) or time.monotonic() - over_at > SCORING_SECONDS:
                    return
            time.sleep(POLL_SECONDS)


def _read(service: Service, run_id: int) -> tuple[RunView, SweepOut, str]:
    """The run, its sweep, and its best width so far in words."""
    with transaction(service.engine) as session:
        run = exercise_runs.view(session, exercise_runs.get(session, NUMBER, run_id))
        sweep = run.sweeps[0]
        best = _best_so_far(chart_rows.trial_rows(session, sweep.id), chart_rows.epoch_rows(session, sweep.id))
    return run, sweep, best


def _is_scored(sweep: SweepOut) -> bool:
    return sweep.best is None or sweep.best.test_accuracy is not None


def _progress_text(sweep: SweepOut, best: str) -> str:
    ended = sum((sweep.counts.complete, sweep.counts.failed, sweep.counts.pruned, sweep.counts.cancelled))
    remaining = "" if sweep.eta_seconds is None else f", {sweep.eta_seconds:.0f} s left"
    return f"{ended}/{sweep.n_trials} trials, {sweep.epochs.done}/{sweep.epochs.total} epochs, best {best}{remaining}"


def _best_so_far(trials: Sequence[TrialRow], epochs: Sequence[EpochRow]) -> str:
    """The best width by the mean validation accuracy over its seeds, at the last epoch that all of them have."""
    curves: dict[tuple[int, int], list[float]] = defaultdict(list)
    for point in epochs:
        curves[point.trial, point.epoch].append(point.val_accuracy or 0.0)
    mean_accuracy: dict[int, float] = {}
    for (trial, _), accuracies in sorted(curves.items()):
        if len(accuracies) == max(len(curves[trial, 1]), 1):
            mean_accuracy[trial] = fmean(accuracies)
    if not mean_accuracy:
        return "not known yet"
    best = max(mean_accuracy, key=lambda trial: mean_accuracy[trial])
    width = next(row.params["hidden_units"] for row in trials if row.number == best)
    return f"{mean_accuracy[best]:.4f} with {width} units"


def _print_answer(console: Console, service: Service, run_id: int) -> None:
    """Prints the table and the answer, and writes the report."""
    with transaction(service.engine) as session:
        run = exercise_runs.get(session, NUMBER, run_id)
        view = exercise_runs.view(session, run)
        report = exercise_runs.report(session, run)
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
    console.print(f"\n{view.answer.text}")
    REPORT.write_text(report, encoding="utf-8")
