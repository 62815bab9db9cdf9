"""A sweep's body again: to post it once more with some fields changed."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from app import queries
from app.db.tables import Sweep
from app.lifecycle import sweep_row
from app.schemas import SweepCreate
from app.sweeps import creation


def body_of(session: Session, sweep: Sweep) -> dict[str, Any]:
    """What to post for the same sweep, as it is now. Trials of the user's own are no part of it."""
    shown = queries.summary(session, sweep.id).model_dump(mode="json")
    body = {name: shown[name] for name in SweepCreate.model_fields if name in shown}
    return body | {"webhook": sweep.webhook}


def clone(session: Session, sweep_id: int, changes: Mapping[str, Any], idempotency_key: str | None = None) -> Sweep:
    """A new sweep like this one, with these fields of its body changed.

    Raises pydantic's ValidationError for fields that no body may have, and what `sweeps.create` raises.
    """
    body = body_of(session, sweep_row.get(session, sweep_id)) | dict(changes)
    if "objective" in changes and "objectives" not in changes:
        body["objectives"] = None
    elif "objectives" in changes and "objective" not in changes:
        del body["objective"]
    asked = SweepCreate.model_validate(body)
    if asked.sampler.name == "grid" and "n_trials" not in changes:
        asked = asked.model_copy(update={"n_trials": None})
    return creation.create(session, asked, idempotency_key)
