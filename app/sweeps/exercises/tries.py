"""What readers try in a run of an exercise: one more network or timing each, in a sweep beside the run's own."""

from collections.abc import Sequence

import plotly.graph_objects as go
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.charts.axis import axis_plan, draw_x_axis
from app.charts.labels import escape, label
from app.charts.rows import Axis, TrialRow
from app.charts.select import Scored, finished
from app.charts.theme import BEST, scatter
from app.charts.titles import value_hover
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
from app.sweeps.exercises.measuring import measurements
from app.sweeps.exercises.runs import TRIES

PRIORITY = 50  # somebody waits for it


def add(session: Session, run: ExerciseRun, value: object) -> Sweep:
    """Queues one more network with this value of the slider's hyperparameter; one that was tried is not trained again.

    What else the first one was trained with, all later ones are. Raises ConflictError where the exercise has no slider
    or the run has measured too little, and InvalidError for a value that can't be used.
    """
    slider = _slider(run)
    _check_kind(slider, value)
    session.get(ExerciseRun, run.id, with_for_update=True)  # two first values at once are of one sweep
    sweep = sweep_of_tries(session, run)
    if sweep is None:
        body = _first_body(session, slider, run, value)
        return creation.create(session, body, exercise_sweep=ExerciseSweep(run.id, TRIES))
    values = sweep.space[slider.hyperparameter]
    if value in values:
        return sweep
    return change(session, sweep.id, SweepPatch(space=sweep.space | {slider.hyperparameter: [*values, value]}))


def sweep_of_tries(session: Session, run: ExerciseRun) -> Sweep | None:
    """The sweep of what was tried in the run, None where nothing was."""
    tries = select(Sweep).where(Sweep.exercise_run_id == run.id, Sweep.exercise_sweep == TRIES)
    newest = tries.order_by(Sweep.id.desc()).limit(1)
    return session.scalar(newest.execution_options(populate_existing=True))


def trials(session: Session, run: ExerciseRun) -> list[TrialRow]:
    """What was tried, by number."""
    sweep = sweep_of_tries(session, run)
    return chart_rows.trial_rows(session, sweep.id) if sweep is not None else []


def draw(session: Session, run: ExerciseRun, slider: Slider, figure: go.Figure) -> None:
    """Adds what was tried in the run to the slider's chart."""
    sweep = sweep_of_tries(session, run)
    scored = finished(trials(session, run))
    if sweep is None or not scored or not figure.data:
        return
    look = {"size": 13, "symbol": "diamond-open", "color": BEST, "line": {"width": 2}}
    figure.add_trace(
        scatter(
            x=[_place(slider, item) for item in scored],
            y=[item.value for item in scored],
            name="tried here, one run each",
            mode="markers",
            marker=look,
            text=[escape(slider.name_of(item.trial.params)) for item in scored],
            hovertemplate=f"tried: %{{text}}: <b>{value_hover(sweep.first_objective.metric)}</b><extra></extra>",
        )
    )
    _widen_ticks(figure, [_place(slider, item) for item in scored])


def _place(slider: Slider, item: Scored) -> float | str:
    value = item.trial.params[slider.hyperparameter]
    return value if is_number(value) else label(value)


def _widen_ticks(figure: go.Figure, places: Sequence[float | str]) -> None:
    """Names what was tried beyond the ends of an axis that names its values."""
    axis = figure.layout.xaxis
    if axis.tickvals is None or axis.type == "category":
        return
    beyond = {place for place in places if not min(axis.tickvals) <= place <= max(axis.tickvals)}
    choices = (*axis.tickvals, *beyond)
    draw_x_axis(figure, axis_plan(Axis(axis.title.text, log=axis.type == "log", choices=choices), ()))


def _slider(run: ExerciseRun) -> Slider:
    slider = exercise(run.exercise).slider
    if slider is None:
        raise ConflictError(f"Exercise {run.exercise} has nothing to try.")
    return slider


def _check_kind(slider: Slider, value: object) -> None:
    """Raises InvalidError where the value is none of the slider's kind."""
    if _is_number(value) not in {is_number(choice) for choice in slider.values}:
        example = slider.values[len(slider.values) // 2]
        message = f"must be a value of {slider.hyperparameter} such as {label(example)}, not {str(value)[:80]!r}"
        raise InvalidError(f"The value {message}.", [FieldError(("value",), message)])


def _is_number(value: object) -> bool | None:
    """Whether it is one; None of a whole number of hundreds of digits, which no float can hold."""
    try:
        return is_number(value)
    except OverflowError:
        return None


def _first_body(session: Session, slider: Slider, run: ExerciseRun, value: object) -> SweepCreate:
    """A grid of this value. Raises ConflictError where the run has not measured what is to be as it is there."""
    body = slider.body("full" if run.preset == "full" else "quick", measurements(session, run))
    if body is None:
        raise ConflictError(f"Run {run.id} has no result yet that could be tried otherwise: wait for the first.")
    name = f"Exercise {run.exercise}: tried by hand ({run.preset})"
    space = {**body["space"], slider.hyperparameter: [value]}
    return SweepCreate.model_validate(
        {**body, "name": name, "space": space, "sampler": "grid", "seeds": 1, "priority": PRIORITY}
    )
