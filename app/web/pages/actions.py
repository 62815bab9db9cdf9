"""What the buttons of a sweep's page do, each going back to the page that it was pressed on."""

from typing import Any, Literal

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from app import queries
from app.domain.states import TrialState
from app.lifecycle import sweep_row
from app.schemas import ContinueTop, ContinueTrial, SweepPatch
from app.sweeps import changes, deletion, longer_training, trial_actions
from app.web.dependencies import DatabaseSession, PostedForm, SweepId, TrialNumber
from app.web.pages.posted import back, validated, whole_number
from app.web.security.plans import PLAN_PLACE

router = APIRouter(include_in_schema=False, prefix="/sweeps/{sweep_id}")


@router.post("/edit", dependencies=[PLAN_PLACE])
def edit_sweep(sweep_id: SweepId, form: PostedForm, session: DatabaseSession) -> Response:
    """Changes the sweep's words, tags and priority."""
    tags = [tag.strip() for tag in form.get("tags", "").split(",") if tag.strip()]
    changes.change(session, sweep_id, _patch({**form, "tags": tags, "priority": whole_number(form, "priority")}))
    return back(sweep_id, form)


@router.post("/extend", dependencies=[PLAN_PLACE])
def extend_sweep(sweep_id: SweepId, form: PostedForm, session: DatabaseSession) -> Response:
    """Adds trials to the budget."""
    n_trials = queries.summary(session, sweep_id).n_trials + whole_number(form, "more")
    changes.change(session, sweep_id, _patch({"n_trials": n_trials}))
    return back(sweep_id, form)


@router.post("/retry")
def retry_failed_trials(sweep_id: SweepId, form: PostedForm, session: DatabaseSession) -> Response:
    """Trains the failed trials again, but for those that diverged: with the same seeds they would do so again."""
    trial_actions.retry_all(session, sweep_id, diverged=False)
    return back(sweep_id, form)


@router.post("/continue")
def continue_sweep(sweep_id: SweepId, form: PostedForm, session: DatabaseSession) -> Response:
    """Takes up the trials that were cancelled: undoes a stop or a cancel."""
    trial_actions.retry_all(session, sweep_id, TrialState.cancelled)
    return back(sweep_id, form)


@router.post("/train-longer")
def train_best_longer(sweep_id: SweepId, form: PostedForm, session: DatabaseSession) -> Response:
    """Trains the best configurations on to more epochs."""
    numbers = {name: whole_number(form, name) for name in ("top", "epochs")}
    longer_training.continue_top(session, sweep_id, validated(ContinueTop, numbers))
    return back(sweep_id, form)


@router.post("/trials/{number}/continue")
def train_trial_longer(sweep_id: SweepId, number: TrialNumber, form: PostedForm, session: DatabaseSession) -> Response:
    """Trains one trial on to more epochs."""
    body = validated(ContinueTrial, {"epochs": whole_number(form, "epochs")})
    longer_training.continue_trial(session, sweep_id, number, body.epochs)
    return back(sweep_id, form)


@router.post("/trials/{number}/{call}")
def act_on_trial(
    sweep_id: SweepId,
    number: TrialNumber,
    call: Literal["retry", "cancel", "exclude", "include"],
    form: PostedForm,
    session: DatabaseSession,
) -> Response:
    """Retries, cancels, excludes or includes one trial."""
    if call in {"exclude", "include"}:
        trial_actions.set_excluded(session, sweep_id, number, call == "exclude")
    else:
        (trial_actions.retry if call == "retry" else trial_actions.cancel)(session, sweep_id, number)
    return back(sweep_id, form)


@router.post("/delete")
def delete_sweep(sweep_id: SweepId, session: DatabaseSession) -> Response:
    """Deletes the sweep and goes to the list."""
    deletion.delete(session, sweep_id)
    return RedirectResponse("/", status_code=303)


# the last one: its path would take those of the others
@router.post("/{call}")
def change_state(
    sweep_id: SweepId, call: Literal["pause", "resume", "stop", "cancel"], form: PostedForm, session: DatabaseSession
) -> Response:
    """Pauses, resumes, stops or cancels, and goes back to the sweep as it was shown."""
    sweep_row.change_state(session, sweep_id, call)
    return back(sweep_id, form)


def _patch(fields: dict[str, Any]) -> SweepPatch:
    """The change that the form asks for. Raises InvalidError, which names the fields that can't be used."""
    return validated(SweepPatch, {name: fields[name] for name in SweepPatch.model_fields if name in fields})
