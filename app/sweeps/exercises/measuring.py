"""What the sweeps of an exercise's run have measured so far, as its charts and its answer read it."""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.charts.rows import BestRow, SweepRow, TrialRow
from app.db.tables import ExerciseRun, Run, Sweep, Trial
from app.domain.space import parse_space
from app.domain.space.domains import takes
from app.domain.states import TrialState
from app.exercises.exercise import Measurements, SweepData
from app.exercises.registry import exercise
from app.queries import chart_rows
from app.queries.lens import curves
from app.sweeps.exercises.runs import sweeps_of


def measurements(session: Session, run: ExerciseRun) -> Measurements:
    """What the run's sweeps have measured, by their names in the exercise.

    Trials that go on to more epochs than the exercise asks for are left out: nothing else was trained for as long.
    """
    needs = exercise(run.exercise).needs
    return {sweep.exercise_sweep or "": _data(session, sweep, needs) for sweep in sweeps_of(session, run)}


def _data(session: Session, sweep: Sweep, needs: Collection[str]) -> SweepData:
    trials = _trials(session, sweep)
    numbers = {trial.number for trial in trials}
    epochs = curves.epoch_rows(session, sweep.id) if "epochs" in needs else ()
    diagnostics = curves.diagnostics_rows(session, sweep.id) if "diagnostics" in needs else ()
    return SweepData(
        _with_best_of(chart_rows.measured_sweep(session, sweep), trials),
        trials,
        [row for row in epochs if row.trial in numbers],
        [row for row in diagnostics if row.trial in numbers],
        _seconds(session, sweep) if "seconds" in needs else {},
    )


def _seconds(session: Session, sweep: Sweep) -> dict[int, float]:
    """How long a training took, in the mean over a trial's runs, by its number."""
    mean = func.avg(Run.seconds).label("mean")
    query = select(Trial.number, mean).join(Run).where(Trial.sweep_id == sweep.id).group_by(Trial.number)
    return {row.number: row.mean for row in session.execute(query)}


def _trials(session: Session, sweep: Sweep) -> list[TrialRow]:
    """The sweep's trials, as many epochs each as its space says."""
    longer_trials = select(Trial.number).where(Trial.sweep_id == sweep.id, Trial.continued_from.is_not(None))
    longer_numbers = set(session.scalars(longer_trials))
    domain = parse_space(sweep.space, sweep.task).domains.get("epochs")
    return [
        trial
        for trial in chart_rows.trial_rows(session, sweep.id)
        if trial.number not in longer_numbers
        and (domain is None or "epochs" not in trial.params or takes(domain, trial.params["epochs"]))
    ]


def _with_best_of(row: SweepRow, trials: Sequence[TrialRow]) -> SweepRow:
    """The sweep with the best of these trials as its best, where that is not among them."""
    if row.best is None or any(trial.number == row.best.number for trial in trials):
        return row
    values = [
        (trial, trial.value)
        for trial in trials
        if trial.state == TrialState.complete and trial.value is not None and math.isfinite(trial.value)
    ]
    if not values:
        return replace(row, best=None)
    trial, value = min(values, key=lambda pair: row.objective.rank(pair[1], pair[0].number))
    return replace(row, best=BestRow(trial.number, value, trial.std, len(trial.runs), trial.params))
