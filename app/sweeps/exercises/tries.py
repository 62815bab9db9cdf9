"""What readers try in a run of an exercise: each value trains one more network, in a sweep beside the run's own."""

from typing import Any

import plotly.graph_objects as go
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.charts.labels import label
from app.charts.rows import TrialRow
from app.charts.select import finished
from app.charts.theme import BEST, scatter
from app.db.tables import ExerciseRun, Sweep
from app.domain.hyperparameters import is_number
from app.errors import ConflictError, FieldError, InvalidError
from app.exercises.exercise import Slider
from app.exercises.registry import exercise
from app.queries import chart_rows
from app.schemas import SweepCreate, SweepPatch
from app.sweeps import creation
from app.sweeps.changes import change
from app.sweeps.creation import ExerciseSweep
from app.sweeps.exercises.runs import TRIES

PRIORITY = 50  # somebody waits for it


def add(session: Session, run: ExerciseRun, value: object) -> Sweep:
    """Queues one more network with this value of the slider's hyperparameter; one that was tried is not trained again.

    Raises ConflictError where the exercise has no slider, and InvalidError for a value that can't be used.
    """
    slider = _slider(run)
    session.get(ExerciseRun, run.id, with_for_update=True)  # two first values at once are of one sweep
    sweep = sweep_of_tries(session, run)
    if sweep is None:
        body = _body(slider, run, [value])
        return creation.create(session, body, exercise_sweep=ExerciseSweep(run.id, TRIES))
    values = sweep.space[slider.hyperparameter]
    if value in values:
        return sweep
    space = _body(slider, run, [*values, value]).space
    return change(session, sweep.id, SweepPatch(space=space))


def sweep_of_tries(session: Session, run: ExerciseRun) -> Sweep | None:
    """The sweep of what was tried in the run, None where nothing was."""
    tries = select(Sweep).where(Sweep.exercise_run_id == run.id, Sweep.exercise_sweep == TRIES)
    newest = tries.order_by(Sweep.id.desc()).limit(1)
    return session.scalar(newest.execution_options(populate_existing=True))


def trials(session: Session, run: ExerciseRun) -> list[TrialRow]:
    """What was tried, by number."""
    sweep = sweep_of_tries(session, run)
    return chart_rows.trial_rows(session, sweep.id) if sweep is not None else []


def draw(figure: go.Figure, slider: Slider, tried_trials: list[TrialRow]) -> None:
    """Adds what was tried to the slider's chart."""
    scored = finished(tried_trials)
    if not scored or not figure.data:
        return
    values = [item.trial.params[slider.hyperparameter] for item in scored]
    look = {"size": 13, "symbol": "diamond-open", "color": BEST, "line": {"width": 2}}
    figure.add_trace(
        scatter(
            x=[value if is_number(value) else label(value) for value in values],
            y=[item.value for item in scored],
            name="tried here, one run each",
            mode="markers",
            marker=look,
            text=[label(value) for value in values],
            hovertemplate="tried: %{text}: <b>%{y:.4f}</b><extra></extra>",
        )
    )


def _slider(run: ExerciseRun) -> Slider:
    slider = exercise(run.exercise).slider
    if slider is None:
        raise ConflictError(f"Exercise {run.exercise} has nothing to try.")
    return slider


def _body(slider: Slider, run: ExerciseRun, values: list[object]) -> SweepCreate:
    """A grid over these values. Raises InvalidError where the last one is none of the slider's kind."""
    body: dict[str, Any] = dict(slider.body("full" if run.preset == "full" else "quick"))
    kinds = {is_number(value) for value in slider.values}
    if is_number(values[-1]) not in kinds:
        example = slider.values[len(slider.values) // 2]
        message = f"must be a value of {slider.hyperparameter} such as {label(example)}, not {values[-1]!r}"
        raise InvalidError(f"The value {message}.", [FieldError(("value",), message)])
    space = body["space"] | {slider.hyperparameter: values}
    name = f"Exercise {run.exercise}: tried by hand ({run.preset})"
    return SweepCreate.model_validate(
        body | {"name": name, "space": space, "sampler": "grid", "seeds": 1, "priority": PRIORITY}
    )
