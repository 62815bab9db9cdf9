"""Trials and their learning curves: list, enqueue, note, retry, train longer, cancel, exclude and include."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app import queries, schemas
from app.domain.states import TrialState
from app.sweeps import longer_training, reruns, trial_actions
from app.web.dependencies import Cursor, DatabaseSession, IdempotencyKey, Limit, SweepId, TrialNumber
from app.web.error_handlers import problems

router = APIRouter(prefix="/api/v1/sweeps/{sweep_id}/trials", tags=["trials"])

MAX_POINTS = 10_000  # ten times as many, which several ask for at once, took gigabytes


@router.get("", responses=problems(404))
def list_trials(
    sweep_id: SweepId,
    session: DatabaseSession,
    state: Annotated[TrialState | None, Query(description="Only trials in this state.")] = None,
    order_by: Annotated[
        str,
        Query(
            description="number, value, state, started_at, finished_at, seconds, params. and a hyperparameter, or "
            "metrics. and a metric after the last epoch, e.g. params.learning_rate or -metrics.val_loss; - turns it "
            "round."
        ),
    ] = "number",
    limit: Limit = 100,
    after: Cursor = None,
) -> schemas.Page[schemas.TrialOut]:
    """The trials of a sweep with their runs, of which a page has 10,000 at most."""
    return queries.list_trials(session, sweep_id, state=state, order_by=order_by, limit=limit, after=after)


@router.post("", status_code=201, responses=problems(404, 409))
def enqueue_trial(
    sweep_id: SweepId,
    body: schemas.TrialCreate,
    session: DatabaseSession,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> schemas.TrialOut:
    """Queues a trial of your own, ahead of the sampler's; an ended sweep goes on with it."""
    trial = trial_actions.enqueue(session, sweep_id, body.params, idempotency_key)
    response.headers["Location"] = f"/api/v1/sweeps/{sweep_id}/trials/{trial.number}"
    return queries.get_trial(session, sweep_id, trial.number)


@router.get("/{number}", responses=problems(404))
def get_trial(sweep_id: SweepId, number: TrialNumber, session: DatabaseSession) -> schemas.TrialOut:
    """One trial with its runs."""
    return queries.get_trial(session, sweep_id, number)


@router.patch("/{number}", responses=problems(404))
def change_trial(
    sweep_id: SweepId, number: TrialNumber, body: schemas.TrialPatch, session: DatabaseSession
) -> schemas.TrialOut:
    """Keeps a note on a trial, which its sweep's page and its exports show."""
    trial_actions.set_note(session, sweep_id, number, body.note)
    return queries.get_trial(session, sweep_id, number)


@router.get("/{number}/epochs", responses=problems(404))
def list_epochs(
    sweep_id: SweepId,
    number: TrialNumber,
    session: DatabaseSession,
    limit: Annotated[int, Query(ge=1, le=MAX_POINTS, description="Points a page.")] = MAX_POINTS,
    after: Cursor = None,
) -> schemas.Page[schemas.EpochOut]:
    """The learning curves of a trial, run by run."""
    return queries.list_epochs(session, sweep_id, number, limit, after or 0)


@router.get("/{number}/diagnostics", responses=problems(404))
def list_diagnostics(
    sweep_id: SweepId,
    number: TrialNumber,
    session: DatabaseSession,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Measurements a page.")] = 1_000,
    after: Cursor = None,
) -> schemas.Page[schemas.DiagnosticsOut]:
    """What the networks of a trial did after each epoch, run by run; nothing where the sweep does not measure it.

    A page has fewer than `limit` where each measurement has very many numbers.
    """
    return queries.list_diagnostics(session, sweep_id, number, limit, after or 0)


@router.post("/{number}/retry", responses=problems(404, 409))
def retry_trial(sweep_id: SweepId, number: TrialNumber, session: DatabaseSession) -> schemas.TrialOut:
    """Trains a failed, cancelled or pruned trial anew, with the same parameters; an ended sweep goes on with it."""
    trial_actions.retry(session, sweep_id, number)
    return queries.get_trial(session, sweep_id, number)


@router.post(
    "/{number}/continue",
    status_code=201,
    responses=problems(404, 409) | {200: {"model": schemas.TrialOut, "description": "It was asked for before."}},
)
def train_trial_longer(
    sweep_id: SweepId, number: TrialNumber, body: schemas.ContinueTrial, session: DatabaseSession, response: Response
) -> schemas.TrialOut:
    """Trains a complete trial on to more epochs, as a new trial with the same seeds; the complete one stays as it is.

    The new trial goes on from the checkpoint of the other one, `epochs_trained`, while that is kept: of the best 3
    trials of a sweep for a week. Else it begins anew, and comes to the same in more time. 409 where the learning rate
    depends on the number of epochs (the schedule `cosine`), or a trial has these parameters already.
    """
    trial, is_new = longer_training.continue_trial(session, sweep_id, number, body.epochs)
    response.headers["Location"] = f"/api/v1/sweeps/{sweep_id}/trials/{trial.number}"
    response.status_code = 201 if is_new else 200
    return queries.get_trial(session, sweep_id, trial.number)


@router.post("/{number}/rerun", status_code=201, responses=problems(404, 409))
def rerun_trial(
    sweep_id: SweepId, number: TrialNumber, body: schemas.RerunTrial, session: DatabaseSession
) -> schemas.RerunTrials:
    """Trains the configuration of a complete trial again with further seeds, as new trials of it.

    They are trained ahead of the sampler's; an ended sweep goes on with them.
    """
    return schemas.RerunTrials(trials=reruns.rerun_trial(session, sweep_id, number, body.seeds))


@router.post("/{number}/cancel", responses=problems(404, 409))
def cancel_trial(sweep_id: SweepId, number: TrialNumber, session: DatabaseSession) -> schemas.TrialOut:
    """Ends a trial that waits or runs; a running one at its next epoch."""
    trial_actions.cancel(session, sweep_id, number)
    return queries.get_trial(session, sweep_id, number)


@router.post("/{number}/exclude", responses=problems(404))
def exclude_trial(sweep_id: SweepId, number: TrialNumber, session: DatabaseSession) -> schemas.TrialOut:
    """Leaves a trial out of the best, of what the sampler learns from and of the charts."""
    trial_actions.set_excluded(session, sweep_id, number, True)
    return queries.get_trial(session, sweep_id, number)


@router.post("/{number}/include", responses=problems(404))
def include_trial(sweep_id: SweepId, number: TrialNumber, session: DatabaseSession) -> schemas.TrialOut:
    """Takes an excluded trial in again."""
    trial_actions.set_excluded(session, sweep_id, number, False)
    return queries.get_trial(session, sweep_id, number)
