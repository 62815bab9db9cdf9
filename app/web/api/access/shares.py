"""Links that show one sweep or one run of an exercise: make, list and end them."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from sqlalchemy.orm import Session

from app import schemas
from app.access import shares
from app.access.shares import PLACE, Subject
from app.sweeps.exercises import runs
from app.web.api.exercises import ExerciseNumber, RunId
from app.web.dependencies import DatabaseSession, SweepId, caller_name
from app.web.error_handlers import problems

router = APIRouter(prefix="/api/v1", tags=["shares"])

ShareName = Annotated[str, Path(max_length=100, description="The link's number, or its token.")]


@router.post("/sweeps/{sweep_id}/share", status_code=201, responses=problems(404))
def share_sweep(
    sweep_id: SweepId, body: schemas.ShareCreate, request: Request, session: DatabaseSession
) -> schemas.NewShare:
    """Makes a link that shows this sweep to whoever has it, without a key: page, charts and trials, nothing else."""
    return new_share(request, session, Subject(sweep_id=sweep_id), body.days)


@router.get("/sweeps/{sweep_id}/shares", responses=problems(404))
def list_shares_of_sweep(sweep_id: SweepId, session: DatabaseSession) -> schemas.Page[schemas.ShareOut]:
    """The links that show this sweep now, the newest first."""
    return _page(session, Subject(sweep_id=sweep_id))


@router.post("/exercises/{number}/runs/{run_id}/share", status_code=201, responses=problems(404))
def share_run(
    number: ExerciseNumber,
    run_id: RunId,
    body: schemas.ShareCreate,
    request: Request,
    session: DatabaseSession,
) -> schemas.NewShare:
    """Makes a link that shows this run to whoever has it, without a key: answer, charts and report, nothing else."""
    subject = Subject(exercise_run_id=runs.get(session, number, run_id).id)
    return new_share(request, session, subject, body.days)


@router.get("/exercises/{number}/runs/{run_id}/shares", responses=problems(404))
def list_shares_of_run(
    number: ExerciseNumber, run_id: RunId, session: DatabaseSession
) -> schemas.Page[schemas.ShareOut]:
    """The links that show this run now, the newest first."""
    return _page(session, Subject(exercise_run_id=runs.get(session, number, run_id).id))


@router.delete("/shares/{share}", status_code=204, responses=problems(404))
def end_share(share: ShareName, session: DatabaseSession) -> None:
    """Ends a link, at once."""
    shares.revoke(session, share)


def new_share(request: Request, session: Session, subject: Subject, days: int) -> schemas.NewShare:
    """A new link to the subject."""
    share, token = shares.create(session, subject, days, caller_name(request))
    url = f"{request.url.scheme}://{request.url.netloc}{PLACE}{token}"
    return schemas.NewShare.model_validate(
        {**schemas.ShareOut.model_validate(share).model_dump(), "token": token, "url": url}
    )


def _page(session: Session, subject: Subject) -> schemas.Page[schemas.ShareOut]:
    items = [schemas.ShareOut.model_validate(share) for share in shares.valid_shares(session, subject)]
    return schemas.Page(items=items)
