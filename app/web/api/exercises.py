"""The book's exercises and their runs, with charts and reports."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from app import queries, schemas
from app.db.tables import ExerciseRun
from app.errors import NotFoundError
from app.exercises import registry
from app.exercises.exercise import Exercise
from app.sweeps.exercises import reports, results, runs, tries
from app.web.api.charts import Format, etag_of, figure_response, is_unchanged
from app.web.dependencies import DatabaseSession
from app.web.error_handlers import problems
from app.web.security.drawings import DRAWING_PLACE

router = APIRouter(prefix="/api/v1/exercises", tags=["exercises"])

ExerciseNumber = Annotated[int, Path(ge=1, le=9, description="Number of the exercise in the book's section 5.2.4.")]
RunId = Annotated[int, Path(ge=1, le=2**62)]
RunQuery = Annotated[
    int | None, Query(ge=1, le=2**62, description="A run's id; left out, the fullest one that is completed.")
]


@router.get("")
def list_exercises() -> schemas.Page[schemas.ExerciseOut]:
    """The exercises that can be run here."""
    return schemas.Page(items=[_exercise_out(exercise) for exercise in registry.EXERCISES.values()])


@router.get("/report.html", response_class=HTMLResponse, dependencies=[DRAWING_PLACE])
def get_report_of_all_exercises(session: DatabaseSession) -> HTMLResponse:
    """All exercises on one page that stands alone and prints well: of each the fullest run that is completed."""
    return HTMLResponse(reports.report_of_all(session))


@router.get("/{number}", responses=problems(404))
def get_exercise(number: ExerciseNumber, session: DatabaseSession) -> schemas.ExerciseWithRun:
    """The question, its parts, its charts, and the latest run."""
    exercise = _exercise_out(registry.exercise(number))
    run = runs.latest(session, number)
    latest_run = _run_out(session, run) if run is not None else None
    return schemas.ExerciseWithRun(**exercise.model_dump(), latest_run=latest_run)


@router.post("/{number}/runs", status_code=201, responses=problems(404))
def start_exercise_run(
    number: ExerciseNumber, body: schemas.ExerciseRunCreate, session: DatabaseSession, response: Response
) -> schemas.ExerciseRunOut:
    """Posts the sweeps that answer the exercise."""
    run = runs.start(session, number, body.preset)
    response.headers["Location"] = f"/api/v1/exercises/{number}/runs/{run.id}"
    return _run_out(session, run)


@router.get("/{number}/runs", responses=problems(404))
def list_exercise_runs(number: ExerciseNumber, session: DatabaseSession) -> schemas.Page[schemas.ExerciseRunItem]:
    """All runs of the exercise whose sweeps are still there, the newest first."""
    items = [schemas.ExerciseRunItem.model_validate(run) for run in runs.summaries(session, number)]
    return schemas.Page(items=items)


@router.get("/{number}/runs/{run_id}", responses=problems(404))
def get_exercise_run(number: ExerciseNumber, run_id: RunId, session: DatabaseSession) -> schemas.ExerciseRunOut:
    """State and progress, and the answer in words and figures drawn from the data so far."""
    return _run_out(session, runs.get(session, number, run_id))


@router.post("/{number}/runs/{run_id}/tries", status_code=201, responses=problems(404, 409))
def try_exercise_value(
    number: ExerciseNumber, run_id: RunId, body: schemas.ExerciseTry, session: DatabaseSession
) -> schemas.SweepOut:
    """Trains or times one more network, or product, with another value of the hyperparameter of the exercise's slider.

    The answer is the sweep of all that was tried in this run; the exercise's own answer is not changed by it.
    """
    sweep = tries.add(session, runs.get(session, number, run_id), body.value)
    return queries.summary(session, sweep.id)


@router.get(
    "/{number}/charts/{name}", responses=problems(404), response_model=dict[str, Any], dependencies=[DRAWING_PLACE]
)
def get_exercise_chart(
    number: ExerciseNumber,
    name: str,
    request: Request,
    session: DatabaseSession,
    format: Format = "json",
    run: RunQuery = None,
) -> Response:
    """A chart of this run, or of the fullest one that is completed."""
    return run_chart(request, session, _shown_run(session, number, run), name, format)


def run_chart(
    request: Request, session: Session, run: ExerciseRun, name: str, format: Format, *, names_hosts: bool = True
) -> Response:
    """A chart of this run, or 304 where the client has it."""
    etag = etag_of(results.revision(session, run))
    if is_unchanged(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    exercise = registry.exercise(run.exercise)
    figure = results.figures(session, run, name)[0]
    title = f"Exercise {exercise.number}: {exercise.title}"
    facts = reports.provenance(session, run, names_hosts=names_hosts)
    return figure_response(figure, format, etag, title=title, description=exercise.question, provenance=facts)


@router.get("/{number}/report.html", responses=problems(404), response_class=HTMLResponse, dependencies=[DRAWING_PLACE])
def get_exercise_report(number: ExerciseNumber, session: DatabaseSession, run: RunQuery = None) -> HTMLResponse:
    """Question, answer, table and charts as a page that stands alone, offline: of this run, or of the fullest one."""
    return HTMLResponse(reports.report(session, _shown_run(session, number, run)))


def _shown_run(session: Session, number: int, run_id: int | None) -> ExerciseRun:
    """Raises NotFoundError where the exercise has not been run."""
    run = runs.shown_run(session, number, run_id)
    if run is None:
        raise NotFoundError(f"Exercise {number} has not been run yet: POST /api/v1/exercises/{number}/runs.")
    return run


def _exercise_out(exercise: Exercise) -> schemas.ExerciseOut:
    return schemas.ExerciseOut(
        number=exercise.number,
        title=exercise.title,
        question=exercise.question,
        parts=list(exercise.parts),
        source=exercise.source,
        charts=[
            schemas.ChartOut(name=chart.name, url=f"/api/v1/exercises/{exercise.number}/charts/{chart.name}")
            for chart in exercise.charts
        ],
    )


def _run_out(session: Session, run: ExerciseRun) -> schemas.ExerciseRunOut:
    return schemas.ExerciseRunOut.model_validate(results.view(session, run), from_attributes=True)
