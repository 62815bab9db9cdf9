"""Runs of the book's exercises: each posts its sweeps and answers from what they have measured so far."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import plotly.graph_objects as go
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import queries
from app.charts.page import Table, page
from app.charts.registry import chart
from app.db.tables import ExerciseRun, Sweep
from app.domain.datasets import DATASETS
from app.domain.states import ENDED_SWEEPS
from app.errors import NotFoundError
from app.exercises.exercise import Answer, Preset
from app.exercises.registry import exercise
from app.queries import chart_rows
from app.schemas import SweepCreate, SweepOut
from app.sweeps import creation


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
        state=_state(sweeps),
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
    best = queries.summary(session, sweep.id).best
    if best is None or best.test_accuracy is None:
        return measured
    count = f"{DATASETS[sweep.dataset].test:,}"
    score = (
        f"On the {count} test images, looked at once and only now, the chosen trial scores {best.test_accuracy:.4f}."
    )
    figures = {**measured.figures, "test_accuracy": best.test_accuracy}
    return replace(measured, text=f"{measured.text}\n\n{score}", figures=figures)


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
    )


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


def _state(sweeps: Sequence[SweepOut]) -> str:
    """The state of the sweep that is furthest behind."""
    order = ["running", "stopping", "queued", "paused", "failed", "cancelled", "completed"]
    return min((sweep.state.value for sweep in sweeps), key=order.index)
