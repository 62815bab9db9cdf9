"""The notes of a sweep, which are edited on its page: app/web/templates/notes shows them."""

from fastapi import APIRouter, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from app.schemas import SweepPatch
from app.sweeps import changes
from app.web.dependencies import DatabaseSession, PostedForm, SweepId

router = APIRouter(include_in_schema=False)


@router.post("/sweeps/{sweep_id}/notes")
def change_notes(sweep_id: SweepId, form: PostedForm, session: DatabaseSession) -> Response:
    """Saves the notes and goes back to the sweep, as it was shown: `view` is its query string."""
    text = form.get("notes", "").replace("\r\n", "\n")  # as forms end their lines
    try:
        patch = SweepPatch.model_validate({"notes": text})
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None
    changes.change(session, sweep_id, patch)
    view = form.get("view", "")
    return RedirectResponse(f"/sweeps/{sweep_id}{view if view.startswith('?') else ''}", status_code=303)
