"""The exercises of the book over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from app import schemas
from app.db.tables import ExerciseRun
from app.errors import NotFoundError
from app.exercises.exercise import Exercise
from app.exercises.registry import EXERCISES, exercise
from app.sweeps import exercise_runs
from app.web.api.charts import Format, figure_response
from app.web.dependencies import DatabaseSession, problems

router = APIRouter(prefix="/api/v1/exercises", tags=["exercises"])

Number = Annotated[int, Path(ge=1, le=9, description="Number of the exercise in the book's section 5.2.4.")]
RunId = Annotated[int, Path(ge=1, le=2**62)]


@router.get("")
def list_exercises() -> schemas.Page[schemas.ExerciseOut]:
    """The exercises that can be run here."""
    return schemas.Page(items=[_exercise_out(one) for one in EXERCISES.values()])


@router.get("/{number}", responses=problems(404))
def get_exercise(number: Number, session: DatabaseSession) -> schemas.ExerciseWithRun:
    """The question, its parts, its charts, and the latest run."""
    asked = exercise(number)
    run = exercise_runs.latest(session, number)
    return schemas.ExerciseWithRun(
        **_exercise_out(asked).model_dump(), latest_run=_run_out(session, run) if run is not None else None
    )


@router.post("/{number}/runs", status_code=201, responses=problems(404))
def start_run(
    number: Number, body: schemas.ExerciseRunCreate, session: DatabaseSession, response: Response
) -> schemas.ExerciseRunOut:
    """Posts the sweeps that answer the exercise."""
    run = exercise_runs.start(session, number, body.preset)
    response.headers["Location"] = f"/api/v1/exercises/{number}/runs/{run.id}"
    return _run_out(session, run)


@router.get("/{number}/runs/{run_id}", responses=problems(404))
def get_run(number: Number, run_id: RunId, session: DatabaseSession) -> schemas.ExerciseRunOut:
    """State and progress, and the answer in words and figures drawn from the data so far."""
    return _run_out(session, exercise_runs.get(session, number, run_id))


@router.get("/{number}/charts/{name}", responses=problems(404), response_model=dict[str, Any])
def get_exercise_chart(
    number: Number, name: str, request: Request, session: DatabaseSession, format: Format = "json"
) -> Response:
    """A chart of the latest run."""
    run = _latest(session, number)
    etag = f'"{exercise_runs.revision(session, run)}"'
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": etag})
    asked = exercise(number)
    words = {"title": f"Exercise {number}: {asked.title}", "text": asked.question}
    figure = exercise_runs.figures(session, run, name)[0]
    return figure_response(figure, format, words, {"ETag": etag, "Cache-Control": "no-cache"})


@router.get("/{number}/report.html", responses=problems(404), response_class=HTMLResponse)
def get_report(number: Number, session: DatabaseSession) -> HTMLResponse:
    """Question, answer, table and charts of the latest run as a page that stands alone, offline."""
    return HTMLResponse(exercise_runs.report(session, _latest(session, number)))


def _latest(session: Session, number: int) -> ExerciseRun:
    run = exercise_runs.latest(session, number)
    if run is None:
        raise NotFoundError(f"Exercise {number} has not been run yet: POST /api/v1/exercises/{number}/runs.")
    return run


def _exercise_out(asked: Exercise) -> schemas.ExerciseOut:
    return schemas.ExerciseOut(
        number=asked.number,
        title=asked.title,
        question=asked.question,
        parts=list(asked.parts),
        source=asked.source,
        charts=[
            schemas.ChartOut(name=one.name, url=f"/api/v1/exercises/{asked.number}/charts/{one.name}")
            for one in asked.charts
        ],
    )


def _run_out(session: Session, run: ExerciseRun) -> schemas.ExerciseRunOut:
    shown = exercise_runs.view(session, run)
    return schemas.ExerciseRunOut(
        id=shown.id,
        preset=shown.preset,
        state=shown.state,
        progress=shown.progress,
        sweeps=list(shown.sweeps),
        answer=schemas.AnswerOut(
            text=shown.answer.text,
            header=list(shown.answer.header),
            rows=[list(row) for row in shown.answer.rows],
            figures=dict(shown.answer.figures),
            final=shown.answer.final,
        ),
    )
