"""Training complete trials again for their weights: who waits for it, and what came out.

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


@dataclass(frozen=True)
class Retraining:
    """A complete trial whose weights are missing; `values`: of its runs, by the index of their seed."""

    sweep: Sweep
    trial_id: int
    number: int
    params: dict[str, Any]
    values: Mapping[int, float]


def ask(session: Session, trial: Trial) -> None:
    """Has a trial trained again, as soon as a worker comes to it; one that waits for it already keeps its place."""
    trial.retrain_at = trial.retrain_at or session.scalar(select(func.clock_timestamp()))
    session.flush()
    notifications.notify(session, trial.sweep_id)


def claim(session: Session, lease_seconds: float) -> Retraining | None:
    """Begins with the trial that has waited longest; None where none does."""
    missing = select(Run).where(Run.trial_id == Trial.id, Run.weights.is_(None)).exists()
    due = (
        select(Trial)
        .where(Trial.retrain_at <= func.clock_timestamp(), Trial.state == TrialState.complete, missing)
        .order_by(Trial.retrain_at)
        .limit(1)
    )
    trial = session.scalar(due.with_for_update(skip_locked=True))
    if trial is None:
        return None
    put_off(session, trial.id, lease_seconds)
    runs = session.scalars(select(Run).where(Run.trial_id == trial.id).order_by(Run.seed))
    values = {run.seed: run.value for run in runs if run.value is not None}
    return Retraining(sweep_row.get(session, trial.sweep_id), trial.id, trial.number, trial.params or {}, values)


def put_off(session: Session, trial_id: int, seconds: float) -> None:
    """Nobody else begins with this trial for so long: who trains it goes on, or has found that it can't."""
    later = func.clock_timestamp() + text(f"interval '{seconds:g} seconds'")
    _update(session, trial_id, later)


def store(session: Session, done: Retraining, weights: Mapping[int, bytes]) -> None:
    """Keeps the weights, by the index of the seed, and ends the waiting."""
    sweep = session.get(Sweep, done.sweep.id, with_for_update=True, populate_existing=True)
    if sweep is None:  # deleted meanwhile
        return
    for seed, kept in weights.items():
        run = update(Run).where(Run.trial_id == done.trial_id, Run.seed == seed).values(weights=kept)
        session.execute(run, execution_options={"synchronize_session": False})
    _update(session, done.trial_id, None)
    sweep.revision += 1
    session.flush()
    notifications.notify(session, sweep.id)


def _update(session: Session, trial_id: int, when: ColumnElement[Any] | None) -> None:
    waiting = update(Trial).where(Trial.id == trial_id, Trial.retrain_at.is_not(None)).values(retrain_at=when)
    session.execute(waiting, execution_options={"synchronize_session": False})
