"""The notes of a sweep and of its trials, which are edited on its page."""

from fastapi import APIRouter, Response

from app.schemas import SweepPatch, TrialPatch
from app.sweeps import changes, trial_actions
from app.web.dependencies import DatabaseSession, PostedForm, SweepId, TrialNumber
from app.web.pages.posted import back, validated

router = APIRouter(include_in_schema=False)


@router.post("/sweeps/{sweep_id}/notes")
def change_notes(sweep_id: SweepId, form: PostedForm, session: DatabaseSession) -> Response:
    """Saves the notes and goes back to the sweep as it was shown."""
    text = form.get("notes", "").replace("\r\n", "\n")  # as forms end their lines
    changes.change(session, sweep_id, validated(SweepPatch, {"notes": text}))
    return back(sweep_id, form)


@router.post("/sweeps/{sweep_id}/trials/{number}/note")
def change_trial_note(sweep_id: SweepId, number: TrialNumber, form: PostedForm, session: DatabaseSession) -> Response:
    """Saves the note on a trial and goes back to the sweep as it was shown."""
    text = form.get("note", "").replace("\r\n", "\n").strip()
    trial_actions.set_note(session, sweep_id, number, validated(TrialPatch, {"note": text}).note)
    return back(sweep_id, form)
