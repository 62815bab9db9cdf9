"""What the buttons of a sweep's page do beside its four calls. Each goes back to the page that it was pressed on."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from app import queries
from app.errors import FieldError, InvalidError
from app.schemas import SweepPatch
from app.sweeps import changes, copies, trial_actions
from app.web.dependencies import DatabaseSession, SweepId, TrialNumber

router = APIRouter(include_in_schema=False, prefix="/sweeps/{sweep_id}")


async def _form(request: Request) -> dict[str, str]:
    """The fields of a posted form."""
    return {name: str(value) for name, value in (await request.form()).items()}


Form = Annotated[dict[str, str], Depends(_form)]


@router.post("/edit")
def edit_sweep(sweep_id: SweepId, form: Form, session: DatabaseSession) -> Response:
    """Changes the sweep's words, tags and priority."""
    tags = [tag.strip() for tag in form.get("tags", "").split(",") if tag.strip()]
    changes.change(session, sweep_id, _patch({**form, "tags": tags, "priority": _whole(form, "priority")}))
    return _back(sweep_id, form)


@router.post("/extend")
def extend_sweep(sweep_id: SweepId, form: Form, session: DatabaseSession) -> Response:
    """Adds trials to the budget."""
    n_trials = queries.summary(session, sweep_id).n_trials + _whole(form, "more")
    changes.change(session, sweep_id, _patch({"n_trials": n_trials}))
    return _back(sweep_id, form)


@router.post("/retry")
def retry_failed_trials(sweep_id: SweepId, form: Form, session: DatabaseSession) -> Response:
    """Trains all failed trials again."""
    trial_actions.retry_failed(session, sweep_id)
    return _back(sweep_id, form)


@router.post("/clone")
def clone_sweep(sweep_id: SweepId, form: Form, session: DatabaseSession) -> Response:
    """Starts the same sweep once more under another name, and goes to it."""
    name = form.get("name", "").strip()
    if not 1 <= len(name) <= 200:
        raise InvalidError("The name can't be used.", [FieldError(("name",), "must have between 1 and 200 characters")])
    sweep = copies.clone(session, sweep_id, {"name": name})
    return RedirectResponse(f"/sweeps/{sweep.id}", status_code=303)


@router.post("/trials/{number}/{call}")
def act_on_trial(
    sweep_id: SweepId,
    number: TrialNumber,
    call: Literal["retry", "cancel", "exclude", "include"],
    form: Form,
    session: DatabaseSession,
) -> Response:
    """Retries, cancels, excludes or includes one trial."""
    if call in {"exclude", "include"}:
        trial_actions.set_excluded(session, sweep_id, number, call == "exclude")
    else:
        (trial_actions.retry if call == "retry" else trial_actions.cancel)(session, sweep_id, number)
    return _back(sweep_id, form)


def _back(sweep_id: int, form: dict[str, str]) -> Response:
    """To the page as it was: `view` is its query string."""
    view = form.get("view", "")
    return RedirectResponse(f"/sweeps/{sweep_id}{view if view.startswith('?') else ''}", status_code=303)


def _whole(form: dict[str, str], name: str) -> int:
    try:
        return int(form.get(name, ""))
    except ValueError:
        given = form.get(name, "")
        wrong = FieldError((name,), f"must be a whole number, not {given!r}")
        raise InvalidError(f"The field {name} can't be used.", [wrong]) from None


def _patch(changes: dict[str, Any]) -> SweepPatch:
    try:
        return SweepPatch.model_validate({name: changes[name] for name in SweepPatch.model_fields if name in changes})
    except ValidationError as error:
        wrong = [FieldError(one["loc"], str(one["msg"])) for one in error.errors()]
        raise InvalidError("Some fields can't be used as they are.", wrong) from None
