"""The pages of the book's exercises: all of them, and one with its runs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, get_args

from fastapi import APIRouter, Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from app import schemas
from app.charts.page import Fact
from app.db.tables import ExerciseRun
from app.domain.formatting import about, plural, score
from app.domain.states import ENDED_SWEEPS
from app.domain.tasks import TASKS
from app.errors import FieldError, InvalidError
from app.exercises.answers.wording import count_text
from app.exercises.exercise import Exercise
from app.exercises.preset import Preset
from app.exercises.registry import EXERCISES, exercise
from app.queue.workers import live_workers
from app.sweeps import previews
from app.sweeps.exercises import reports, results, runs, tries
from app.sweeps.exercises.results import RunView
from app.sweeps.exercises.runs import RunSummary
from app.sweeps.previews import Speed
from app.web.dependencies import DatabaseSession
from app.web.pages.rendering import ChartPanel, render
from app.web.pages.sweep.summary import SweepSummary

router = APIRouter(include_in_schema=False)

RunId = Annotated[int, Path(ge=1, le=2**62)]
RunQuery = Annotated[int | None, Query(ge=1, le=2**62)]


@dataclass(frozen=True)
class ExercisePanel:
    """An exercise in the list, and in the row of numbers on the page of each."""

    exercise: Exercise
    run: RunSummary | None
    """The fullest one that is completed, or else the newest."""
    sentence: str = ""
    """Its answer in a sentence."""
    open_runs: int = 0
    """How many others go on."""
    current: bool = False
    """Whether the page is this exercise's."""

    @property
    def address(self) -> str:
        """Its page."""
        return f"/exercises/{self.exercise.number}"

    @property
    def state(self) -> str:
        """`completed`, another state of its run, or `not run`."""
        return self.run.state if self.run else "not run"

    @property
    def mark(self) -> str:
        """The state as one sign."""
        return {"completed": "✓", "not run": "○", "failed": "!", "cancelled": "○"}.get(self.state, "●")


@dataclass(frozen=True)
class RunTab:
    """A link to one run of an exercise."""

    run: RunSummary
    address: str
    current: bool


@dataclass(frozen=True)
class TryRow:
    """A network or a timing that a reader has tried."""

    setting: str
    result: str
    """Its value, or how far it is."""


@dataclass(frozen=True)
class PresetPanel:
    """A button that starts a run, with how much training that is."""

    preset: Preset
    work: str
    seconds: float | None
    """How long it takes on the workers that are there, None where nobody knows."""
    bodies: str
    """What is posted, as JSON."""

    @property
    def label(self) -> str:
        """`Run quick (about 20 s)`."""
        return f"Run {self.preset}" + (f" ({self.time})" if self.time else "")

    @property
    def time(self) -> str:
        """`about 20 s`, or nothing where nobody knows."""
        return "" if self.seconds is None else about(self.seconds)


@dataclass(frozen=True)
class ExerciseListView:
    """The exercises that can be run here."""

    panels: Sequence[ExercisePanel]
    seconds: float | None
    """How long all of them take in `quick`, None where nobody knows."""
    no_worker: bool
    address: str = "/exercises"
    events: str = "/api/v1/events"

    @property
    def title(self) -> str:
        """`Nine questions, 12 min on this machine`."""
        time = "" if self.seconds is None else f", {about(self.seconds)} on this machine"
        return f"{count_text(len(self.panels)).capitalize()} questions{time}"


@dataclass(frozen=True)
class ExerciseView:
    """An exercise: the question, the buttons that start a run, and what the shown one says."""

    exercise: Exercise
    panels: Sequence[ExercisePanel]
    """All exercises, to go to another one."""
    run: RunView | None
    """The one that is shown."""
    runs: Sequence[RunSummary]
    """All of them, the newest first."""
    revision: str
    """Changes with the run's data."""
    provenance: Sequence[Fact]
    """How the answer was measured."""
    tries: Sequence[TryRow]
    """What was tried by hand in the run."""
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
    def open_sweeps(self) -> list[SweepSummary]:
        """Those that have not ended."""
        return [summary for summary in self.sweeps if summary.sweep.progress < 1]

    @property
    def run_title(self) -> str:
        """`Quick run: 5 of 11 widths, 5 of 10 epochs.`."""
        if self.run is None:
            return ""
        return f"Quick run: {self.exercise.subset}." if self.run.preset == "quick" else "Full run."

    @property
    def slider_values(self) -> str:
        """What the slider goes through, as JSON."""
        return json.dumps(list(self.exercise.slider.values)) if self.exercise.slider else ""

    @property
    def slider_middle(self) -> int:
        """The index of the value at which the slider starts."""
        return len(self.exercise.slider.values) // 2 if self.exercise.slider else 0

    def _is_tried_on(self, chart: str) -> bool:
        """Whether the slider belongs to this chart."""
        return self.exercise.slider is not None and self.exercise.slider.chart == chart

    @property
    def charts(self) -> list[ChartPanel]:
        """The charts, once there may be something to show."""
        if self.run is None or not (self.run.progress > 0 or self.run.answer.findings):
            return []
        charts = self.exercise.charts
        narrow = [chart for chart in charts[1:] if not self._is_tried_on(chart.name)]
        wide = {charts[0], *narrow[len(narrow) // 2 * 2 :]}  # the last one where it would stand alone in its row
        return [
            ChartPanel(
                f"chart-{chart.name}",
                f"{self.api_path}/charts/{chart.name}{self.run_query}",
                chart.title,
                chart in wide or self._is_tried_on(chart.name),
            )
            for chart in charts
        ]


@router.get("/exercises")
def list_exercises(request: Request, session: DatabaseSession) -> Response:
    """The book's exercises that can be run here, each with the run that its page shows."""
    speed = previews.measured_speed(session)
    seconds = [_preset_panel(session, entry, "quick", speed).seconds for entry in EXERCISES.values()]
    view = ExerciseListView(
        panels=[
            replace(panel, sentence=_sentence(request, session, panel.run)) if panel.run else panel
            for panel in (_panel(session, number) for number in EXERCISES)
        ],
        seconds=None if None in seconds else sum(time for time in seconds if time is not None),
        no_worker=not live_workers(session),
    )
    return render(request, "exercises/list.html", view)


@router.post("/exercises/runs")
def run_all_exercises(session: DatabaseSession) -> Response:
    """Queues every exercise in `quick`, one after the other."""
    runs.start_all(session, "quick")
    return RedirectResponse("/exercises", status_code=303)


@router.get("/exercises/{number}")
def show_exercise(request: Request, number: int, session: DatabaseSession, run: RunQuery = None) -> Response:
    """The question, what a run says, and the buttons that start one; without `run`, the fullest completed one."""
    entry = exercise(number)
    shown_run = runs.shown_run(session, number, run)
    speed = previews.measured_speed(session)
    view = ExerciseView(
        exercise=entry,
        panels=[_panel(session, entry_number, current=entry_number == number) for entry_number in EXERCISES],
        run=results.view(session, shown_run) if shown_run else None,
        runs=runs.summaries(session, number),
        revision=results.revision(session, shown_run) if shown_run else "",
        provenance=reports.provenance(session, shown_run) if shown_run else [],
        tries=_tries(session, shown_run) if shown_run else [],
        presets=[_preset_panel(session, entry, preset, speed) for preset in get_args(Preset)],
        has_run_in_address=run is not None,
        no_worker=not live_workers(session),
    )
    return render(request, "exercises/page.html", view)


@router.post("/exercises/{number}/runs")
def run_exercise(number: int, preset: Annotated[Preset, Form()], session: DatabaseSession) -> Response:
    """Queues the exercise's sweeps and goes to the page with the new run."""
    run = runs.start(session, number, preset)
    return RedirectResponse(f"/exercises/{number}?run={run.id}", status_code=303)


@router.post("/exercises/{number}/runs/{run_id}/tries")
def try_value(
    number: int, run_id: RunId, value: Annotated[str, Form(max_length=40)], session: DatabaseSession
) -> Response:
    """Queues one more network with this value, which is JSON, and goes back to the run."""
    run = runs.get(session, number, run_id)
    try:
        tries.add(session, run, json.loads(value))
    except ValueError as error:
        raise InvalidError(f"The value {value!r} can't be read.", [FieldError(("value",), "must be JSON")]) from error
    return RedirectResponse(f"/exercises/{number}?run={run_id}", status_code=303)


def _tries(session: Session, run: ExerciseRun) -> list[TryRow]:
    slider, sweep = exercise(run.exercise).slider, tries.sweep_of_tries(session, run)
    if slider is None or sweep is None:
        return []
    metric = sweep.first_objective.metric
    return [
        TryRow(
            slider.name_of(trial.params),
            trial.state if trial.value is None else score(trial.value, metric=metric),
        )
        for trial in tries.trials(session, run)
    ]


def _sentence(request: Request, session: Session, summary: RunSummary) -> str:
    """The answer of a run in a sentence, which is made once for all who look as long as the run stays as it is."""
    run = session.get_one(ExerciseRun, summary.id)
    key = ("answer", run.id, results.revision(session, run))
    sentence = request.app.state.answer_cache.get_or_make(key, lambda: results.view(session, run).answer.sentence)
    return str(sentence)


def _panel(session: Session, number: int, *, current: bool = False) -> ExercisePanel:
    shown_run = runs.shown_run(session, number)
    if shown_run is None:
        return ExercisePanel(EXERCISES[number], None, current=current)
    summaries = runs.summaries(session, number)
    open_ids = {run.id for run in summaries if run.state not in set(ENDED_SWEEPS)}
    return ExercisePanel(
        EXERCISES[number],
        next(run for run in summaries if run.id == shown_run.id),
        open_runs=len(open_ids - {shown_run.id}),
        current=current,
    )


def _preset_panel(session: Session, entry: Exercise, preset: Preset, speed: Speed) -> PresetPanel:
    """How much a preset trains, how long that takes, and what it posts."""
    bodies = entry.sweeps(preset)
    estimates = [previews.preview(session, schemas.SweepCreate.model_validate(body), speed) for body in bodies.values()]
    noun = "timing" if all(TASKS[body.get("task", "train_mlp")].is_timing for body in bodies.values()) else "training"
    trainings = plural(sum(estimate.trainings for estimate in estimates), noun)
    where = f" in {plural(len(bodies), 'sweep')}" if len(bodies) > 1 else ""
    seconds = [estimate.estimated_seconds for estimate in estimates]
    return PresetPanel(
        preset,
        f"{trainings}{where}: {entry.subset if preset == 'quick' else entry.whole}.",
        None if None in seconds else sum(time for time in seconds if time is not None),
        json.dumps(list(bodies.values()), indent=2),
    )
