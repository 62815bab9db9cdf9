"""The book's exercises and their runs, with charts and reports."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from app import schemas
from app.db.tables import ExerciseRun
from app.errors import NotFoundError
from app.exercises import registry
from app.exercises.exercise import Exercise
from app.sweeps import exercise_runs
from app.web.api.charts import Format, etag_of, figure_response, is_unchanged
from app.web.dependencies import DatabaseSession
from app.web.error_handlers import problems

router = APIRouter(prefix="/api/v1/exercises", tags=["exercises"])

ExerciseNumber = Annotated[int, Path(ge=1, le=9, description="Number of the exercise in the book's section 5.2.4.")]
RunId = Annotated[int, Path(ge=1, le=2**62)]


@router.get("")
def list_exercises() -> schemas.Page[schemas.ExerciseOut]:
    """The exercises that can be run here."""
    return schemas.Page(items=[_exercise_out(exercise) for exercise in registry.EXERCISES.values()])


@router.get("/{number}", responses=problems(404))
def get_exercise(number: ExerciseNumber, session: DatabaseSession) -> schemas.ExerciseWithRun:
    """The question, its parts, its charts, and the latest run."""
    exercise = _exercise_out(registry.exercise(number))
    run = exercise_runs.latest(session, number)
    latest_run = _run_out(session, run) if run is not None else None
    return schemas.ExerciseWithRun(**exercise.model_dump(), latest_run=latest_run)


@router.post("/{number}/runs", status_code=201, responses=problems(404))
def start_run(
    number: ExerciseNumber, body: schemas.ExerciseRunCreate, session: DatabaseSession, response: Response
) -> schemas.ExerciseRunOut:
    """Posts the sweeps that answer the exercise."""
    run = exercise_runs.start(session, number, body.preset)
    response.headers["Location"] = f"/api/v1/exercises/{number}/runs/{run.id}"
    return _run_out(session, run)


@router.get("/{number}/runs/{run_id}", responses=problems(404))
def get_run(number: ExerciseNumber, run_id: RunId, session: DatabaseSession) -> schemas.ExerciseRunOut:
    """State and progress, and the answer in words and figures drawn from the data so far."""
    return _run_out(session, exercise_runs.get(session, number, run_id))


@router.get("/{number}/charts/{name}", responses=problems(404), response_model=dict[str, Any])
def get_exercise_chart(
    number: ExerciseNumber, name: str, request: Request, session: DatabaseSession, format: Format = "json"
) -> Response:
    """A chart of the latest run."""
    run = _latest_run(session, number)
    etag = etag_of(exercise_runs.revision(session, run))
    if is_unchanged(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    exercise = registry.exercise(number)
    figure = exercise_runs.figures(session, run, name)[0]
    title = f"Exercise {number}: {exercise.title}"
    return figure_response(figure, format, etag, title=title, description=exercise.question)


@router.get("/{number}/report.html", responses=problems(404), response_class=HTMLResponse)
def get_report(number: ExerciseNumber, session: DatabaseSession) -> HTMLResponse:
    """Question, answer, table and charts of the latest run as a page that stands alone, offline."""
    return HTMLResponse(exercise_runs.report(session, _latest_run(session, number)))


def _latest_run(session: Session, number: int) -> ExerciseRun:
    """Raises NotFoundError where the exercise has not been run."""
    run = exercise_runs.latest(session, number)
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
    return schemas.ExerciseRunOut.model_validate(exercise_runs.view(session, run), from_attributes=True)
