"""The page of the links to one sweep or one run, which opens as a dialog where scripts run: made, listed, ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from app import schemas
from app.access import shares
from app.access.shares import Subject
from app.db.tables import Share
from app.lifecycle import sweep_row
from app.sweeps.exercises import runs
from app.web.api.access.shares import new_share
from app.web.api.exercises import ExerciseNumber, RunId
from app.web.dependencies import DatabaseSession, PostedForm, SweepId
from app.web.error_handlers import invalid_body
from app.web.pages.posted import whole_or_text
from app.web.pages.rendering import render

router = APIRouter(include_in_schema=False)

_RUN = "/exercises/{number}/runs/{run_id}"


@dataclass(frozen=True)
class SharesView:
    """The links that show something now."""

    title: str
    """What they show."""
    back: str
    """Its page."""
    path: str
    """What the addresses of the forms begin with."""
    rows: Sequence[Share]
    new_share: schemas.NewShare | None = None
    """The link that was just made, which is shown this once."""


@dataclass(frozen=True)
class _Place:
    subject: Subject
    title: str
    back: str
    path: str

    def view(self, session: Session, new_share: schemas.NewShare | None = None) -> SharesView:
        """The page of its links."""
        return SharesView(self.title, self.back, self.path, shares.valid_shares(session, self.subject), new_share)

    def answer(self, request: Request, session: Session, form: dict[str, str] | None = None) -> Response:
        """The page; where the form is posted, with the link that it asks for."""
        if form is None:
            return render(request, "shares/page.html", self.view(session))
        try:
            body = schemas.ShareCreate.model_validate({"days": whole_or_text(form.get("days", ""))})
        except ValidationError as error:
            raise invalid_body(error) from None
        share = new_share(request, session, self.subject, body.days)
        return render(request, "shares/page.html", self.view(session, share), status=201)


def _sweep_place(session: Session, sweep_id: int) -> _Place:
    name, path = sweep_row.get(session, sweep_id).name, f"/sweeps/{sweep_id}"
    return _Place(Subject(sweep_id=sweep_id), name, path, path)


def _run_place(session: Session, number: int, run_id: int) -> _Place:
    run = runs.get(session, number, run_id)
    path = f"/exercises/{number}/runs/{run_id}"
    title = f"Exercise {number}, {run.preset} run"
    return _Place(Subject(exercise_run_id=run.id), title, f"/exercises/{number}?run={run_id}", path)


@router.get("/sweeps/{sweep_id}/shares")
def list_shares_of_sweep(request: Request, sweep_id: SweepId, session: DatabaseSession) -> Response:
    """The links to this sweep."""
    return _sweep_place(session, sweep_id).answer(request, session)


@router.post("/sweeps/{sweep_id}/shares")
def share_sweep(request: Request, sweep_id: SweepId, form: PostedForm, session: DatabaseSession) -> Response:
    """Makes a link to this sweep and shows it."""
    return _sweep_place(session, sweep_id).answer(request, session, form)


@router.post("/sweeps/{sweep_id}/shares/{share}/end")
def end_share_of_sweep(sweep_id: SweepId, share: int, session: DatabaseSession) -> Response:
    """Ends a link."""
    shares.revoke(session, str(share))
    return RedirectResponse(f"/sweeps/{sweep_id}/shares", status_code=303)


@router.get(f"{_RUN}/shares")
def list_shares_of_run(request: Request, number: ExerciseNumber, run_id: RunId, session: DatabaseSession) -> Response:
    """The links to this run."""
    return _run_place(session, number, run_id).answer(request, session)


@router.post(f"{_RUN}/shares")
def share_run(
    request: Request, number: ExerciseNumber, run_id: RunId, form: PostedForm, session: DatabaseSession
) -> Response:
    """Makes a link to this run and shows it."""
    return _run_place(session, number, run_id).answer(request, session, form)


@router.post(f"{_RUN}/shares/{{share}}/end")
def end_share_of_run(number: ExerciseNumber, run_id: RunId, share: int, session: DatabaseSession) -> Response:
    """Ends a link."""
    shares.revoke(session, str(share))
    return RedirectResponse(f"/exercises/{number}/runs/{run_id}/shares", status_code=303)
