"""Retraining: complete trials are trained again for weights that were not stored.

`retrain_at` is both queue and lease: null where nothing is to do, else when a worker may begin. One that begins sets it
ahead, and goes on doing so; if it is killed, the time comes and another one begins. Nothing is locked meanwhile, and
two that train one trial write the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select, text, update
from sqlalchemy.orm import Session

from app.db import notifications
from app.db.tables import Run, Sweep, Trial
from app.domain.states import TrialState
from app.lifecycle import sweep_row
from app.lifecycle.weight_retention import store_weights


@dataclass(frozen=True)
class Retraining:
    """A complete trial whose weights are missing."""

    sweep: Sweep
    trial_id: int
    number: int
    params: dict[str, Any]
    values: Mapping[int, float]  # of its runs, by the index of their seed


def request(session: Session, trial: Trial) -> None:
    """Has a trial trained again, as soon as a worker comes to it; one that waits for it already keeps its place."""
    trial.retrain_at = trial.retrain_at or session.scalar(select(func.clock_timestamp()))
    session.flush()
    notifications.notify(session, trial.sweep_id)


def claim(session: Session, lease_seconds: float) -> Retraining | None:
    """Begins with the trial that has waited longest; None where none does."""
    weights_missing = select(Run).where(Run.trial_id == Trial.id, Run.weights.is_(None)).exists()
    due = (
        select(Trial)
        .where(Trial.retrain_at <= func.clock_timestamp(), Trial.state == TrialState.complete, weights_missing)
        .order_by(Trial.retrain_at)
        .limit(1)
    )
    trial = session.scalar(due.with_for_update(skip_locked=True))
    if trial is None:
        return None
    postpone(session, trial.id, lease_seconds)
    runs = session.scalars(select(Run).where(Run.trial_id == trial.id).order_by(Run.seed))
    values = {run.seed: run.value for run in runs if run.value is not None}
    return Retraining(sweep_row.get(session, trial.sweep_id), trial.id, trial.number, trial.params or {}, values)


def postpone(session: Session, trial_id: int, seconds: float) -> None:
    """Lets no other worker begin with this trial for so long: one trains it, or has found that it can't."""
    _set_retrain_at(session, trial_id, func.clock_timestamp() + text(f"interval '{seconds:g} seconds'"))


def store(session: Session, retraining: Retraining, weights: Mapping[int, bytes]) -> None:
    """Stores the weights, by the index of the seed, and takes the trial out of the queue."""
    if sweep_row.lock(session, retraining.sweep.id) is None:
        return
    store_weights(session, retraining.trial_id, weights)
    _set_retrain_at(session, retraining.trial_id, None)
    sweep_row.mark_changed(session, retraining.sweep.id)


def _set_retrain_at(session: Session, trial_id: int, time: ColumnElement[Any] | None) -> None:
    """Changes when a worker may begin; a trial that nobody waits for any more stays so."""
    requested = update(Trial).where(Trial.id == trial_id, Trial.retrain_at.is_not(None)).values(retrain_at=time)
    session.execute(requested, execution_options={"synchronize_session": False})
