"""The pages of the book's exercises: all of them, and one with its latest run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from app import schemas
from app.exercises.exercise import Exercise, Preset
from app.exercises.registry import EXERCISES, exercise
from app.queue.workers import live_workers
from app.sweeps import exercise_runs
from app.sweeps.exercise_runs import RunView
from app.web.dependencies import DatabaseSession
from app.web.pages import sweep_form
from app.web.pages.labels import sentence
from app.web.pages.rendering import ChartPanel, render
from app.web.pages.sweep_summary import SweepSummary

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class ExercisePanel:
    """An exercise in the list."""

    exercise: Exercise
    run: RunView | None
    """Its latest run."""


@dataclass(frozen=True)
class ExerciseListView:
    """The exercises that can be run here."""

    panels: Sequence[ExercisePanel]
    address: str = "/exercises"
    events: str = "/api/v1/events"


@dataclass(frozen=True)
class ExerciseView:
    """An exercise: the question, the buttons that start a run, and what the latest one says."""

    exercise: Exercise
    run: RunView | None
    revision: str
    """Changes with the run's data."""
    costs: Mapping[Preset, str]
    """How much training each preset is."""
    no_worker: bool
    events: str = "/api/v1/events"

    @property
    def address(self) -> str:
        """The exercise's own page."""
        return f"/exercises/{self.exercise.number}"

    @property
    def api_path(self) -> str:
        """Where the API has the exercise."""
        return f"/api/v1{self.address}"

    @property
    def sweeps(self) -> list[SweepSummary]:
        """The sweeps of the run."""
        return [SweepSummary(sweep) for sweep in self.run.sweeps] if self.run else []

    @property
    def run_title(self) -> str:
        """`Quick run. Its sweep:`."""
        return f"{sentence(self.run.preset)} run. Its sweep{'s' if len(self.sweeps) > 1 else ''}:" if self.run else ""

    @property
    def paragraphs(self) -> list[str]:
        """The answer's text."""
        paragraphs = self.run.answer.text.split("\n\n") if self.run else []
        return [paragraph for paragraph in paragraphs if paragraph.strip()]

    @property
    def best_row(self) -> str:
        """What the first cell of the best row says in the answer's table."""
        return str(self.run.answer.figures.get("best_hidden_units", "")) if self.run else ""

    @property
    def charts(self) -> list[ChartPanel]:
        """The charts that have something to show; learning curves do before any trial has ended."""
        if self.run is None:
            return []
        ready = {"curves"} if self.run.progress > 0 else set()
        return [
            ChartPanel(f"chart-{chart.name}", f"{self.api_path}/charts/{chart.name}", chart.title, position == 0)
            for position, chart in enumerate(self.exercise.charts)
            if self.run.answer.rows or chart.chart in ready
        ]


@router.get("/exercises")
def list_exercises(request: Request, session: DatabaseSession) -> Response:
    """The book's exercises that can be run here, each with its latest run."""
    latest_runs = {number: exercise_runs.latest(session, number) for number in EXERCISES}
    panels = [
        ExercisePanel(EXERCISES[number], exercise_runs.view(session, run) if run else None)
        for number, run in latest_runs.items()
    ]
    return render(request, "exercise_list.html", ExerciseListView(panels))


@router.get("/exercises/{number}")
def show_exercise(request: Request, number: int, session: DatabaseSession) -> Response:
    """The question, what its latest run says, and the buttons that start one."""
    entry = exercise(number)
    run = exercise_runs.latest(session, number)
    view = ExerciseView(
        exercise=entry,
        run=exercise_runs.view(session, run) if run else None,
        revision=exercise_runs.revision(session, run) if run else "",
        costs={preset: _cost(entry.sweeps(preset)) for preset in get_args(Preset)},
        no_worker=not live_workers(session),
    )
    return render(request, "exercise.html", view)


@router.post("/exercises/{number}/runs")
def run_exercise(number: int, preset: Annotated[Preset, Form()], session: DatabaseSession) -> Response:
    """Queues the exercise's sweeps and goes back to its page."""
    exercise_runs.start(session, number, preset)
    return RedirectResponse(f"/exercises/{number}", status_code=303)


def _cost(bodies: Sequence[Mapping[str, Any]]) -> str:
    """How many trainings these sweeps are, and of what length."""
    sweeps = [schemas.SweepCreate.model_validate(body) for body in bodies]
    return " ".join(f"{sweep_form.budget(sweep)} {sweep.space['epochs']} epochs each." for sweep in sweeps)
