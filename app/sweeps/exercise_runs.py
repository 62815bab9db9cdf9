"""Runs of the book's exercises: each posts its sweeps, and answers from what they have measured so far."""

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
from app.exercises.exercise import Answer, Exercise, Preset
from app.exercises.registry import exercise
from app.queries import chart_rows
from app.schemas import SweepCreate, SweepOut
from app.sweeps import creation


@dataclass(frozen=True)
class RunView:
    """A run of an exercise as it stands; `answer` is drawn from the trials that have finished."""

    id: int
    preset: str
    state: str
    progress: float
    sweeps: Sequence[SweepOut]
    answer: Answer


def start(session: Session, number: int, preset: Preset) -> ExerciseRun:
    """Posts the exercise's sweeps. Raises NotFoundError."""
    wanted = exercise(number)
    run = ExerciseRun(exercise=number, preset=preset)
    session.add(run)
    session.flush()
    for body in wanted.sweeps(preset):
        creation.create(session, SweepCreate.model_validate(body), exercise_run_id=run.id)
    return run


def latest(session: Session, number: int) -> ExerciseRun | None:
    """The newest run whose sweeps have not been deleted. Raises NotFoundError for an unknown exercise."""
    exercise(number)
    has_sweeps = select(Sweep.id).where(Sweep.exercise_run_id == ExerciseRun.id).exists()
    newest = select(ExerciseRun).where(ExerciseRun.exercise == number, has_sweeps).order_by(ExerciseRun.id.desc())
    return session.scalar(newest.limit(1))


def get(session: Session, number: int, run_id: int) -> ExerciseRun:
    """Raises NotFoundError."""
    exercise(number)
    run = session.get(ExerciseRun, run_id)
    if run is None or run.exercise != number:
        raise NotFoundError(f"Exercise {number} has no run {run_id}.")
    return run


def view(session: Session, run: ExerciseRun) -> RunView:
    """The run with its sweeps' states and the answer so far. Raises NotFoundError when its sweeps were deleted."""
    chosen = _sweeps(session, run)
    shown = queries.summaries(session, chosen)
    return RunView(
        id=run.id,
        preset=run.preset,
        state=_state(shown),
        progress=sum(one.progress for one in shown) / len(shown),
        sweeps=shown,
        answer=answer(session, run),
    )


def answer(session: Session, run: ExerciseRun) -> Answer:
    """What the run's data says, and how the chosen trial did on the test images once it has been scored."""
    sweep = _sweeps(session, run)[0]
    said = exercise(run.exercise).answer(chart_rows.sweep_row(sweep), chart_rows.trial_rows(session, sweep.id))
    best = queries.summary(session, sweep.id).best
    if best is None or best.test_accuracy is None:
        return said
    count = f"{DATASETS[sweep.dataset].test:,}"
    scored = (
        f"On the {count} test images, looked at once and only now, the chosen trial scores {best.test_accuracy:.4f}."
    )
    figures = {**said.figures, "test_accuracy": best.test_accuracy}
    return replace(said, text=f"{said.text}\n\n{scored}", figures=figures)


def figures(session: Session, run: ExerciseRun, name: str | None = None) -> list[go.Figure]:
    """The exercise's charts from the run's data, all or the one named. Raises NotFoundError."""
    sweep = _sweeps(session, run)[0]
    known = exercise(run.exercise).charts
    wanted = [one for one in known if name in {None, one.name}]
    if not wanted:
        names = ", ".join(one.name for one in known)
        raise NotFoundError(f"Exercise {run.exercise} has no chart {name!r}; there are {names}.")
    row, trials = chart_rows.sweep_row(sweep), chart_rows.trial_rows(session, sweep.id)
    needs_epochs = any(chart(one.chart).needs == "epochs" for one in wanted)
    epochs = chart_rows.drawn_epoch_rows(session, sweep) if needs_epochs else []
    return [chart(one.chart).figure(row, trials, epochs, one.query) for one in wanted]


def report(session: Session, run: ExerciseRun) -> str:
    """The question, the answer and the charts as one HTML page that stands alone."""
    asked: Exercise = exercise(run.exercise)
    said = answer(session, run)
    return page(
        f"Exercise {asked.number}: {asked.title}",
        f"{asked.question} ({asked.source})",
        figures(session, run),
        answer=said.text,
        table=Table(said.header, said.rows),
    )


def revision(session: Session, run: ExerciseRun) -> str:
    """Changes whenever the run's data does."""
    return ".".join(f"{sweep.id}-{sweep.revision}" for sweep in _sweeps(session, run))


def is_over(view: RunView) -> bool:
    return view.state in set(ENDED_SWEEPS)


def _sweeps(session: Session, run: ExerciseRun) -> Sequence[Sweep]:
    found = session.scalars(select(Sweep).where(Sweep.exercise_run_id == run.id).order_by(Sweep.id)).all()
    if not found:
        raise NotFoundError(f"The sweeps of run {run.id} have been deleted.")
    return found


def _state(shown: Sequence[SweepOut]) -> str:
    """That of the sweep that is furthest behind."""
    order = ["running", "stopping", "queued", "paused", "failed", "cancelled", "completed"]
    return min((one.state.value for one in shown), key=order.index)
