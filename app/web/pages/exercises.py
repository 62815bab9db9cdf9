"""The pages of the book's exercises: all of them, and one with its runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from app import schemas
from app.charts.page import Fact
from app.domain.formatting import approximate
from app.domain.states import ENDED_SWEEPS
from app.exercises.exercise import Exercise, Preset
from app.exercises.registry import EXERCISES, exercise
from app.queue.workers import live_workers
from app.sweeps import exercise_runs, previews
from app.sweeps.exercise_runs import RunSummary, RunView
from app.sweeps.previews import Speed
from app.web.dependencies import DatabaseSession
from app.web.pages import sweep_form
from app.web.pages.labels import sentence
from app.web.pages.rendering import ChartPanel, render
from app.web.pages.sweep_summary import SweepSummary

router = APIRouter(include_in_schema=False)

RunQuery = Annotated[int | None, Query(ge=1, le=2**62)]


@dataclass(frozen=True)
class ExercisePanel:
    """An exercise in the list."""

    exercise: Exercise
    run: RunView | None
    """The fullest one that is completed, or else the newest."""
    open_runs: int = 0
    """How many others go on."""


@dataclass(frozen=True)
class RunTab:
    """A link to one run of an exercise."""

    run: RunSummary
    address: str
    current: bool


@dataclass(frozen=True)
class PresetPanel:
    """A button that starts a run, with how much training that is."""

    preset: Preset
    cost: str
    seconds: float | None
    """How long it takes on the workers that are there, None where nobody knows."""

    @property
    def label(self) -> str:
        """`Run quick (about 20 s)`."""
        return f"Run {self.preset}" + (f" (about {approximate(self.seconds)})" if self.seconds is not None else "")


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
    """The one that is shown."""
    runs: Sequence[RunSummary]
    """All of them, the newest first."""
    revision: str
    """Changes with the run's data."""
    provenance: Sequence[Fact]
    """How the answer was measured."""
    presets: Sequence[PresetPanel]
    has_run_in_address: bool
    """Whether the address says which run is shown."""
    no_worker: bool
    events: str = "/api/v1/events"

    @property
    def path(self) -> str:
        """The exercise's own page."""
        return f"/exercises/{self.exercise.number}"

    @property
    def address(self) -> str:
        """The page as it is."""
        return f"{self.path}{self.run_query if self.has_run_in_address else ''}"

    @property
    def run_query(self) -> str:
        """What names the run in addresses."""
        return f"?run={self.run.id}" if self.run else ""

    @property
    def api_path(self) -> str:
        """Where the API has the exercise."""
        return f"/api/v1{self.path}"

    @property
    def tabs(self) -> list[RunTab]:
        """A tab for each run."""
        shown_id = self.run.id if self.run else None
        return [RunTab(run, f"{self.path}?run={run.id}", run.id == shown_id) for run in self.runs]

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
            ChartPanel(
                f"chart-{chart.name}",
                f"{self.api_path}/charts/{chart.name}{self.run_query}",
                chart.title,
                position == 0,
            )
            for position, chart in enumerate(self.exercise.charts)
            if self.run.answer.rows or chart.chart in ready
        ]


@router.get("/exercises")
def list_exercises(request: Request, session: DatabaseSession) -> Response:
    """The book's exercises that can be run here, each with the run that its page shows."""
    return render(request, "exercise_list.html", ExerciseListView([_panel(session, number) for number in EXERCISES]))


@router.get("/exercises/{number}")
def show_exercise(request: Request, number: int, session: DatabaseSession, run: RunQuery = None) -> Response:
    """The question, what a run says, and the buttons that start one; without `run`, the fullest completed one."""
    entry = exercise(number)
    shown_run = exercise_runs.shown_run(session, number, run)
    speed = previews.measured_speed(session)
    view = ExerciseView(
        exercise=entry,
        run=exercise_runs.view(session, shown_run) if shown_run else None,
        runs=exercise_runs.runs(session, number),
        revision=exercise_runs.revision(session, shown_run) if shown_run else "",
        provenance=exercise_runs.provenance(session, shown_run) if shown_run else [],
        presets=[_preset_panel(session, preset, entry.sweeps(preset), speed) for preset in get_args(Preset)],
        has_run_in_address=run is not None,
        no_worker=not live_workers(session),
    )
    return render(request, "exercise.html", view)


@router.post("/exercises/{number}/runs")
def run_exercise(number: int, preset: Annotated[Preset, Form()], session: DatabaseSession) -> Response:
    """Queues the exercise's sweeps and goes to the page with the new run."""
    run = exercise_runs.start(session, number, preset)
    return RedirectResponse(f"/exercises/{number}?run={run.id}", status_code=303)


def _panel(session: Session, number: int) -> ExercisePanel:
    shown_run = exercise_runs.shown_run(session, number)
    if shown_run is None:
        return ExercisePanel(EXERCISES[number], None)
    open_ids = [run.id for run in exercise_runs.runs(session, number) if run.state not in set(ENDED_SWEEPS)]
    open_runs = len(set(open_ids) - {shown_run.id})
    return ExercisePanel(EXERCISES[number], exercise_runs.view(session, shown_run), open_runs)


def _preset_panel(session: Session, preset: Preset, bodies: Sequence[Mapping[str, Any]], speed: Speed) -> PresetPanel:
    """How many trainings these sweeps are, of what length, and how long they take."""
    sweeps = [schemas.SweepCreate.model_validate(body) for body in bodies]
    cost = " ".join(f"{sweep_form.budget(sweep)} {sweep.space['epochs']} epochs each." for sweep in sweeps)
    seconds = [previews.preview(session, sweep, speed).estimated_seconds for sweep in sweeps]
    total = None if None in seconds else sum(time for time in seconds if time is not None)
    return PresetPanel(preset, cost, total)
