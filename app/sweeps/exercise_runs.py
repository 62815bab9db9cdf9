"""Runs of the book's exercises: each posts its sweeps and answers from what they have measured so far."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, get_args

import plotly.graph_objects as go
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app import queries
from app.charts.page import Fact, Table, page
from app.charts.registry import chart
from app.db.tables import ExerciseRun, Sweep
from app.domain.datasets import DATASETS
from app.domain.states import ENDED_SWEEPS, SweepState
from app.errors import NotFoundError
from app.exercises.exercise import Answer, Preset
from app.exercises.registry import exercise
from app.queries import chart_rows
from app.queries.provenance import sweep_provenance
from app.schemas import Best, SweepCreate, SweepOut
from app.sweeps import creation


class RunSummary(NamedTuple):
    """A run of an exercise in the list of them."""

    id: int
    preset: str
    state: str
    created_at: datetime
    sweeps: Sequence[int]  # their numbers


@dataclass(frozen=True)
class RunView:
    """A run of an exercise as it stands."""

    id: int
    preset: str
    state: str
    progress: float
    sweeps: Sequence[SweepOut]
    answer: Answer  # from the trials that have finished


def start(session: Session, number: int, preset: Preset) -> ExerciseRun:
    """Posts the exercise's sweeps. Raises NotFoundError."""
    bodies = exercise(number).sweeps(preset)
    run = ExerciseRun(exercise=number, preset=preset)
    session.add(run)
    session.flush()
    for body in bodies:
        creation.create(session, SweepCreate.model_validate(body), exercise_run_id=run.id)
    return run


def latest(session: Session, number: int) -> ExerciseRun | None:
    """The newest run whose sweeps have not been deleted. Raises NotFoundError for an unknown exercise."""
    exercise(number)
    has_sweeps = select(Sweep.id).where(Sweep.exercise_run_id == ExerciseRun.id).exists()
    newest = select(ExerciseRun).where(ExerciseRun.exercise == number, has_sweeps).order_by(ExerciseRun.id.desc())
    return session.scalar(newest.limit(1))


def runs(session: Session, number: int) -> list[RunSummary]:
    """The runs whose sweeps have not been deleted, the newest first. Raises NotFoundError for an unknown exercise."""
    exercise(number)
    rows = session.execute(_RUNS, {"exercise": number})
    return [RunSummary(row.id, row.preset, _state(row.states), row.created_at, row.sweeps) for row in rows]


def shown_run(session: Session, number: int, run_id: int | None = None) -> ExerciseRun | None:
    """The run to show: that of this id, else the fullest one that is completed, else the newest.

    Raises NotFoundError for an unknown exercise or run.
    """
    if run_id is not None:
        return get(session, number, run_id)
    summaries = runs(session, number)
    best = max(summaries, key=lambda run: (run.state == SweepState.completed, _fullness(run), run.id), default=None)
    return session.get(ExerciseRun, best.id) if best else None


def get(session: Session, number: int, run_id: int) -> ExerciseRun:
    """The run of this exercise. Raises NotFoundError."""
    exercise(number)
    run = session.get(ExerciseRun, run_id)
    if run is None or run.exercise != number:
        raise NotFoundError(f"Exercise {number} has no run {run_id}.")
    return run


def view(session: Session, run: ExerciseRun) -> RunView:
    """The run with its sweeps' states and the answer so far. Raises NotFoundError when its sweeps were deleted."""
    sweeps = queries.summaries(session, _sweeps(session, run))
    return RunView(
        id=run.id,
        preset=run.preset,
        state=_state(sweep.state for sweep in sweeps),
        progress=sum(sweep.progress for sweep in sweeps) / len(sweeps),
        sweeps=sweeps,
        answer=answer(session, run),
    )


def answer(session: Session, run: ExerciseRun) -> Answer:
    """What the run's data says, and how the chosen trial did on the test images once it has been scored."""
    sweep = _sweeps(session, run)[0]
    measured = exercise(run.exercise).answer(
        chart_rows.measured_sweep(session, sweep), chart_rows.trial_rows(session, sweep.id)
    )
    summary = queries.summary(session, sweep.id)
    if summary.best is None or summary.best.test_accuracy is None:
        return measured
    figures = {
        **measured.figures,
        "test_accuracy": summary.best.test_accuracy,
        "test_looks": summary.test_looks,
    }
    return replace(measured, text=f"{measured.text}\n\n{_test_text(summary, summary.best)}", figures=figures)


def _test_text(sweep: SweepOut, best: Best) -> str:
    """What the test images say, and how often they were asked."""
    count = f"{DATASETS[sweep.dataset].test:,}"
    text = f"On the {count} test images, the best configuration scores {best.test_accuracy:.4f}"
    if sweep.test_looks <= 1:
        return f"{text}: the only look at them, when all was chosen."
    scores_text = ", ".join(f"{look.test_accuracy:.4f} (trial {look.number})" for look in sweep.test_scores)
    return (
        f"{text}. They were looked at {sweep.test_looks} times: {scores_text}. What was chosen after the first look "
        "may depend on it, so the last of these is a little too good."
    )


def figures(session: Session, run: ExerciseRun, name: str | None = None) -> list[go.Figure]:
    """The exercise's charts from the run's data, all or the one of this name. Raises NotFoundError."""
    sweep = _sweeps(session, run)[0]
    all_charts = exercise(run.exercise).charts
    charts = [item for item in all_charts if name in {None, item.name}]
    if not charts:
        names = ", ".join(item.name for item in all_charts)
        raise NotFoundError(f"Exercise {run.exercise} has no chart {name!r}; there are {names}.")
    row, trials = chart_rows.measured_sweep(session, sweep), chart_rows.trial_rows(session, sweep.id)
    needs_epochs = any(chart(item.chart).needs == "epochs" for item in charts)
    epochs = chart_rows.drawn_epoch_rows(session, sweep) if needs_epochs else []
    return [chart(item.chart).figure(row, trials, epochs, item.query) for item in charts]


def report(session: Session, run: ExerciseRun) -> str:
    """The question, the answer and the charts as one HTML page that stands alone."""
    definition = exercise(run.exercise)
    run_answer = answer(session, run)
    return page(
        f"Exercise {definition.number}: {definition.title}",
        f"{definition.question} ({definition.source})",
        figures(session, run),
        answer=run_answer.text,
        table=Table(run_answer.header, run_answer.rows),
        provenance=provenance(session, run),
    )


def provenance(session: Session, run: ExerciseRun) -> list[Fact]:
    """How the answer was measured: preset, date, data, machine, versions and sweep."""
    preset = Fact("Preset", f"{run.preset} (run {run.id} of exercise {run.exercise})")
    return [preset, *(fact for sweep in _sweeps(session, run) for fact in sweep_provenance(session, sweep))]


def revision(session: Session, run: ExerciseRun) -> str:
    """A text that changes whenever the run's data does."""
    return ".".join(f"{sweep.id}-{sweep.revision}" for sweep in _sweeps(session, run))


def is_over(view: RunView) -> bool:
    """Whether all sweeps of the run have ended."""
    return view.state in set(ENDED_SWEEPS)


def _sweeps(session: Session, run: ExerciseRun) -> Sequence[Sweep]:
    sweeps = session.scalars(select(Sweep).where(Sweep.exercise_run_id == run.id).order_by(Sweep.id)).all()
    if not sweeps:
        raise NotFoundError(f"The sweeps of run {run.id} have been deleted.")
    return sweeps


def _state(states: Iterable[str]) -> str:
    """The state of the sweep that is furthest behind."""
    order = ["running", "stopping", "queued", "paused", "failed", "cancelled", "completed"]
    return min(map(str, states), key=order.index)


def _fullness(run: RunSummary) -> int:
    """How full a completed run is; of others the newest is shown, whatever its preset."""
    return get_args(Preset).index(run.preset) if run.state == SweepState.completed else 0


_RUNS = text("""
    SELECT r.id, r.preset, r.created_at,
           array_agg(CAST(s.state AS text)) AS states, array_agg(s.id ORDER BY s.id) AS sweeps
    FROM exercise_runs r JOIN sweeps s ON s.exercise_run_id = r.id
    WHERE r.exercise = :exercise GROUP BY r.id ORDER BY r.id DESC
""")
