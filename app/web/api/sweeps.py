"""Sweeps: create, preview, list, change, clone, delete, and the calls that change their state."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Path, Query, Response
from pydantic import ValidationError

from app import queries, schemas
from app.domain.states import SweepState, TrialState
from app.lifecycle import sweep_row
from app.schemas.sweeps import Tag
from app.sweeps import changes, copies, creation, deletion, longer_training, previews, reruns, trial_actions
from app.web.dependencies import Cursor, DatabaseSession, IdempotencyKey, Limit, SweepId
from app.web.error_handlers import invalid_body, problems
from app.web.security.plans import PLAN_PLACE

router = APIRouter(prefix="/api/v1/sweeps", tags=["sweeps"])

SweepChanges = Annotated[
    dict[str, Any],
    Body(
        description="Fields of the body of `POST /api/v1/sweeps`, as they shall be in the new sweep.",
        examples=[{"name": "width, other seeds", "seed": 1}],
    ),
]


@router.post("", status_code=201, responses=problems(409), dependencies=[PLAN_PLACE])
def create_sweep(
    body: schemas.SweepCreate,
    session: DatabaseSession,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> schemas.SweepOut:
    """Queues a sweep with all its trials."""
    sweep = creation.create(session, body, idempotency_key)
    response.headers["Location"] = f"/api/v1/sweeps/{sweep.id}"
    return queries.summary(session, sweep.id)


@router.post("/preview", responses=problems(), dependencies=[PLAN_PLACE])
def preview_sweep(body: schemas.SweepCreate, session: DatabaseSession) -> schemas.SweepPreview:
    """What this body would make and take; nothing is stored."""
    return previews.preview(session, body)


@router.get("", responses=problems())
def list_sweeps(
    session: DatabaseSession,
    state: Annotated[SweepState | None, Query(description="Only sweeps in this state.")] = None,
    tag: Annotated[Tag | None, Query(description="Only sweeps with this tag.")] = None,
    limit: Limit = 50,
    after: Cursor = None,
) -> schemas.Page[schemas.SweepOut]:
    """Sweeps, the newest first."""
    return queries.list_sweeps(session, state, tag, limit=limit, after=after)


@router.get("/{sweep_id}", responses=problems(404))
def get_sweep(sweep_id: SweepId, session: DatabaseSession) -> schemas.SweepOut:
    """A sweep as it stands."""
    return queries.summary(session, sweep_id)


@router.patch("/{sweep_id}", responses=problems(404, 409), dependencies=[PLAN_PLACE])
def change_sweep(sweep_id: SweepId, body: schemas.SweepPatch, session: DatabaseSession) -> schemas.SweepOut:
    """Changes what the body names, all of it or nothing. An ended sweep that has more to do goes on."""
    changes.change(session, sweep_id, body)
    return queries.summary(session, sweep_id)


@router.delete("/{sweep_id}", status_code=204, responses=problems(404, 409))
def delete_sweep(sweep_id: SweepId, session: DatabaseSession) -> None:
    """Removes a sweep with everything that it measured; 409 while it runs."""
    deletion.delete(session, sweep_id)


@router.post("/{sweep_id}/clone", status_code=201, responses=problems(404, 409), dependencies=[PLAN_PLACE])
def clone_sweep(
    sweep_id: SweepId,
    changes: SweepChanges,
    session: DatabaseSession,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> schemas.SweepOut:
    """Queues a new sweep like this one, as it is now, with the fields of the body changed."""
    try:
        sweep = copies.clone(session, sweep_id, changes, idempotency_key)
    except ValidationError as error:
        raise invalid_body(error) from None
    response.headers["Location"] = f"/api/v1/sweeps/{sweep.id}"
    return queries.summary(session, sweep.id)


@router.post("/{sweep_id}/retry", responses=problems(404, 409))
def retry_trials(
    sweep_id: SweepId,
    session: DatabaseSession,
    state: Annotated[
        Literal["failed", "cancelled"],
        Query(description="Which trials; the cancelled ones are those that a stop or cancel of the sweep dropped."),
    ] = "failed",
) -> schemas.SweepOut:
    """Trains every failed (or cancelled) trial anew, with the same parameters; an ended sweep goes on with them."""
    trial_actions.retry_all(session, sweep_id, TrialState(state))
    return queries.summary(session, sweep_id)


@router.post("/{sweep_id}/rerun-top", responses=problems(404, 409))
def rerun_best_configurations(sweep_id: SweepId, body: schemas.RerunTop, session: DatabaseSession) -> schemas.SweepOut:
    """Trains the best configurations again with further seeds; an ended sweep goes on, and is scored again."""
    reruns.rerun_top(session, sweep_id, body)
    return queries.summary(session, sweep_id)


@router.post("/{sweep_id}/continue", responses=problems(404, 409))
def train_best_configurations_longer(
    sweep_id: SweepId, body: schemas.ContinueTop, session: DatabaseSession
) -> schemas.ContinuedTrials:
    """Trains the best configurations on to more epochs, each as a new trial: `POST …/trials/{number}/continue`.

    Those that can't go on are left out, with the reason; 409 where none can. An ended sweep goes on, and is scored
    again.
    """
    return longer_training.continue_top(session, sweep_id, body)


@router.post("/{sweep_id}/{call}", responses=problems(404, 409))
def change_sweep_state(
    sweep_id: SweepId,
    call: Annotated[
        Literal["pause", "resume", "stop", "cancel"],
        Path(
            description="pause: no new trials start, running ones finish. resume: goes on. stop: running trials "
            "finish, waiting ones are cancelled. cancel: running ones end at their next epoch too."
        ),
    ],
    session: DatabaseSession,
) -> schemas.SweepOut:
    """Pauses, resumes, stops or cancels; repeating what is already so is 200, what the state does not allow is 409."""
    sweep_row.change_state(session, sweep_id, call)
    return queries.summary(session, sweep_id)
