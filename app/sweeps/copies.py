"""Copies: a sweep's body as it could be posted again, and clones made from it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import queries
from app.db.tables import Sweep, Trial
from app.domain.sampling import traits_of
from app.domain.tasks import TASKS
from app.lifecycle import sweep_row
from app.schemas import SweepCreate
from app.sweeps import creation

# What a reader wants to see of a body, also where it has the usual value.
_ALWAYS_SHOWN = {"name", "space", "dataset", "split", "sampler", "seeds", "seed", "objective"}
_MISSING = object()


def body_of(session: Session, sweep: Sweep) -> dict[str, Any]:
    """What to post for the same sweep, as it is now. Trials that were queued by hand or again are no part of it."""
    summary = queries.summary(session, sweep.id).model_dump(mode="json")
    body = {name: summary[name] for name in SweepCreate.model_fields if name in summary}
    enqueued = select(func.count()).where(Trial.sweep_id == sweep.id, Trial.enqueued, Trial.warm_started_from.is_(None))
    n_trials = max(1, summary["n_trials"] - session.scalars(enqueued).one())
    return body | {"n_trials": n_trials, "webhook": sweep.webhook}


def shown_body(session: Session, sweep: Sweep) -> dict[str, Any]:
    """What to post for an equal sweep, without fields that would be so anyway, and without its webhook's secret."""
    body = body_of(session, sweep)
    task = TASKS[sweep.task]
    unsaid = {"webhook", *(() if task.takes_data else ("dataset",)), *(("split", "pruner") if task.is_timing else ())}
    if traits_of(sweep.sampler["name"]).enumerates:
        unsaid.add("n_trials")
    if body["objectives"]:
        unsaid.add("objective")
    usual = SweepCreate(name=sweep.name, space={}).model_dump(mode="json", exclude=_ALWAYS_SHOWN)
    return {name: value for name, value in body.items() if name not in unsaid and value != usual.get(name, _MISSING)}


def clone(session: Session, sweep_id: int, changes: Mapping[str, Any], idempotency_key: str | None = None) -> Sweep:
    """A new sweep like this one, with these fields of its body changed.

    Raises pydantic's ValidationError for fields that no body may have, and what `sweeps.create` raises.
    """
    body = body_of(session, sweep_row.get(session, sweep_id)) | dict(changes)
    if "objective" in changes and "objectives" not in changes:
        body["objectives"] = None
    elif "objectives" in changes and "objective" not in changes:
        del body["objective"]
    clone_body = SweepCreate.model_validate(body)
    if traits_of(clone_body.sampler.name).enumerates and "n_trials" not in changes:
        clone_body = clone_body.model_copy(update={"n_trials": None})
    return creation.create(session, clone_body, idempotency_key, like=sweep_id)
