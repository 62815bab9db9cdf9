"""Runs of exercises: each posts the sweeps of its exercise, and stays in reach as long as they do."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple, get_args

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db.tables import ExerciseRun, Sweep
from app.domain.states import SweepState
from app.errors import NotFoundError
from app.exercises.preset import Preset
from app.exercises.registry import EXERCISES, exercise
from app.schemas import SweepCreate
from app.sweeps import creation
from app.sweeps.creation import ExerciseSweep

PRIORITY_STEP = 10  # between exercises, so that the sweeps of one have room for an order of their own
TRIES = "tries"  # the name of the sweep of what readers try in a run
IS_OF_EXERCISE = Sweep.exercise_sweep.is_distinct_from(TRIES)


class RunSummary(NamedTuple):
    """A run of an exercise in the list of them."""

    id: int
    preset: str
    state: str
    created_at: datetime
    sweeps: Sequence[int]  # their numbers


def start(session: Session, number: int, preset: Preset, priority: int = 0) -> ExerciseRun:
    """Posts the exercise's sweeps, whose own priorities are added to this one. Raises NotFoundError."""
    bodies = exercise(number).sweeps(preset)
    run = ExerciseRun(exercise=number, preset=preset)
    session.add(run)
    session.flush()
    for name, body in bodies.items():
        sweep = SweepCreate.model_validate(body | {"priority": priority + body.get("priority", 0)})
        creation.create(session, sweep, exercise_sweep=ExerciseSweep(run.id, name))
    return run


def start_all(session: Session, preset: Preset) -> None:
    """Posts the sweeps of all exercises, which are trained one exercise after the other, behind other sweeps."""
    for number in EXERCISES:
        start(session, number, preset, priority=-PRIORITY_STEP * number)


def latest(session: Session, number: int) -> ExerciseRun | None:
    """The newest run whose sweeps have not been deleted. Raises NotFoundError for an unknown exercise."""
    exercise(number)
    has_sweeps = select(Sweep.id).where(Sweep.exercise_run_id == ExerciseRun.id, IS_OF_EXERCISE).exists()
    newest = select(ExerciseRun).where(ExerciseRun.exercise == number, has_sweeps).order_by(ExerciseRun.id.desc())
    return session.scalar(newest.limit(1))


def summaries(session: Session, number: int) -> list[RunSummary]:
    """The runs whose sweeps have not been deleted, the newest first. Raises NotFoundError for an unknown exercise."""
    exercise(number)
    rows = session.execute(_RUNS, {"exercise": number})
    return [
        RunSummary(
            row.id, row.preset, state_of(number, zip(row.names, row.states, strict=True)), row.created_at, row.sweeps
        )
        for row in rows
    ]


def shown_run(session: Session, number: int, run_id: int | None = None) -> ExerciseRun | None:
    """The run to show: that of this id, else the fullest one that is completed, else the newest.

    Raises NotFoundError for an unknown exercise or run.
    """
    if run_id is not None:
        return get(session, number, run_id)
    all_runs = summaries(session, number)
    best = max(all_runs, key=lambda run: (run.state == SweepState.completed, _fullness(run), run.id), default=None)
    return session.get(ExerciseRun, best.id) if best else None


def get(session: Session, number: int, run_id: int) -> ExerciseRun:
    """The run of this exercise. Raises NotFoundError."""
    exercise(number)
    run = session.get(ExerciseRun, run_id)
    if run is None or run.exercise != number:
        raise NotFoundError(f"Exercise {number} has no run {run_id}.")
    return run


def sweeps_of(session: Session, run: ExerciseRun) -> Sequence[Sweep]:
    """Its sweeps, in the order in which they were posted. Raises NotFoundError where all were deleted."""
    of_run = select(Sweep).where(Sweep.exercise_run_id == run.id, IS_OF_EXERCISE)
    sweeps = session.scalars(of_run.order_by(Sweep.id)).all()
    if not sweeps:
        raise NotFoundError(f"The sweeps of run {run.id} have been deleted.")
    return sweeps


def state_of(number: int, states: Iterable[tuple[str | None, str]]) -> str:
    """The state of the sweep that is furthest behind, of those of an exercise's run with their names in it.

    An optional sweep that has failed is as good as completed.
    """
    order = ["running", "stopping", "queued", "paused", "failed", "cancelled", "completed"]
    optional = {(name, SweepState.failed) for name in exercise(number).optional}
    return min(("completed" if pair in optional else str(pair[1]) for pair in states), key=order.index)


def _fullness(run: RunSummary) -> int:
    """How full a completed run is; of others the newest is shown, whatever its preset."""
    return get_args(Preset).index(run.preset) if run.state == SweepState.completed else 0


_RUNS = text("""
    SELECT r.id, r.preset, r.created_at,
           array_agg(s.id ORDER BY s.id) AS sweeps,
           array_agg(CAST(s.state AS text) ORDER BY s.id) AS states, array_agg(s.exercise_sweep ORDER BY s.id) AS names
    FROM exercise_runs r JOIN sweeps s ON s.exercise_run_id = r.id
    WHERE r.exercise = :exercise AND s.exercise_sweep IS DISTINCT FROM 'tries' GROUP BY r.id ORDER BY r.id DESC
""")
