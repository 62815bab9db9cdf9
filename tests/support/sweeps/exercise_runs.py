"""Runs of exercises in a small form: their sweeps on the 1,797 digits of scikit-learn, trained by a real worker."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Engine

from app.db.engine import transaction
from app.db.tables import ExerciseRun
from app.exercises.answers.finding import Answer, Finding
from app.exercises.exercise import Measurements
from app.exercises.registry import exercise
from app.schemas import SweepCreate
from app.sweeps import creation
from app.sweeps.creation import ExerciseSweep
from app.sweeps.exercises import measuring, results, runs
from tests.support.waiting import wait_until
from tests.support.worker_processes import Nursery, environment

Body = dict[str, Any]


class AnsweredRun(NamedTuple):
    """A run that is over: what it measured, and what it says."""

    id: int
    data: Measurements
    answer: Answer
    charts: dict[str, int]  # by name, how many traces each has

    def finding(self, name: str) -> Finding:
        """The finding of that name."""
        return next(finding for finding in self.answer.findings if finding.name == name)


def run_small(
    nursery: Nursery, engine: Engine, folder: Path, number: int, smaller: Callable[[str, Body], Body]
) -> AnsweredRun:
    """Trains the quick preset of an exercise on digits; `smaller` gives each sweep's body, by its name, less to do."""
    with transaction(engine) as session:
        run = ExerciseRun(exercise=number, preset="quick")
        session.add(run)
        session.flush()
        for name, body in exercise(number).sweeps("quick").items():
            small = smaller(name, body | {"dataset": "digits"} if "dataset" in body else dict(body))
            creation.create(session, SweepCreate.model_validate(small), exercise_sweep=ExerciseSweep(run.id, name))
        run_id = run.id
    url = engine.url.render_as_string(hide_password=False)
    worker = nursery.worker(environment(url, folder), folder / "log")
    try:
        wait_until(lambda: _is_over(engine, number, run_id), 240)
    finally:
        nursery.kill(worker)
    with transaction(engine) as session:
        run = runs.get(session, number, run_id)
        figures = {
            chart.name: len(results.figures(session, run, chart.name)[0].data) for chart in exercise(number).charts
        }
        return AnsweredRun(run_id, measuring.measurements(session, run), results.view(session, run).answer, figures)


def _is_over(engine: Engine, number: int, run_id: int) -> bool:
    with transaction(engine) as session:
        return results.view(session, runs.get(session, number, run_id)).is_over
