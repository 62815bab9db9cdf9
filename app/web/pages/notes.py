"""The notes of a sweep, which are edited on its page: app/web/templates/notes shows them."""

from fastapi import APIRouter, Response

from app.schemas import SweepPatch
from app.sweeps import changes
from app.web.dependencies import DatabaseSession, PostedForm, SweepId
from app.web.pages.posted import back, validated

router = APIRouter(include_in_schema=False)


@router.post("/sweeps/{sweep_id}/notes")
def change_notes(sweep_id: SweepId, form: PostedForm, session: DatabaseSession) -> Response:
    """Saves the notes and goes back to the sweep as it was shown."""
    text = form.get("notes", "").replace("\r\n", "\n")  # as forms end their lines
    changes.change(session, sweep_id, validated(SweepPatch, {"notes": text}))
    return back(sweep_id, form)
