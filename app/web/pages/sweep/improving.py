"""What a sweep's page proposes: further seeds for the best, a wider space where the best lies at its edge."""

from typing import Any

from fastapi import APIRouter, Response

from app import queries
from app.domain.space import Range, parse_space
from app.domain.space.edges import Edge, can_be_widened, widened
from app.errors import FieldError, InvalidError
from app.lifecycle import sweep_row
from app.schemas import RerunTop, SweepPatch
from app.sweeps import changes, reruns
from app.web.dependencies import DatabaseSession, PostedForm, SweepId
from app.web.pages.posted import back, validated, whole_number
from app.web.security.plans import PLAN_PLACE

router = APIRouter(include_in_schema=False, prefix="/sweeps/{sweep_id}")


@router.post("/confirm")
def confirm_best(sweep_id: SweepId, form: PostedForm, session: DatabaseSession) -> Response:
    """Trains the best configurations again with further seeds."""
    numbers = {name: whole_number(form, name) for name in ("k", "seeds")}
    reruns.rerun_top(session, sweep_id, validated(RerunTop, numbers))
    return back(sweep_id, form)


@router.post("/widen", dependencies=[PLAN_PLACE])
def widen_space(sweep_id: SweepId, form: PostedForm, session: DatabaseSession) -> Response:
    """Lets one hyperparameter go further, and adds trials that can try it."""
    sweep = sweep_row.get(session, sweep_id)
    name, wider_to = form.get("name", ""), _number(form, "to")
    domain = parse_space(sweep.space, sweep.task).free().get(name)
    if not can_be_widened(domain):
        msg = f"{name!r} is no number that varies here"
        raise InvalidError("The space can't be widened.", [FieldError(("name",), msg)])
    last = domain.last if isinstance(domain, Range) else max(domain.values)
    edge = Edge(name, last, wider_to > last, wider_to)
    space = {**sweep.space, name: widened(sweep.space[name], edge)}
    patch: dict[str, Any] = {"space": space}
    if further := whole_number(form, "more"):
        patch["n_trials"] = queries.summary(session, sweep_id).n_trials + further
    changes.change(session, sweep_id, validated(SweepPatch, patch))
    return back(sweep_id, form)


def _number(form: dict[str, str], name: str) -> float:
    """The field as a number, whole where it is written so. Raises InvalidError."""
    text = form.get(name, "")
    try:
        return int(text) if text.removeprefix("-").isdigit() else float(text)
    except ValueError:
        error = FieldError((name,), f"must be a number, not {text!r}")
        raise InvalidError(f"The field {name} can't be used.", [error]) from None
