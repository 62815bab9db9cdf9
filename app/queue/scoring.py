"""Scoring the chosen trial of a completed sweep: which one waits for it, and what came out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session, undefer

from app.db import notifications
from app.db.tables import Run, Sweep, Trial
from app.domain.states import SweepState
from app.lifecycle import sweep_row
from app.lifecycle.weight_retention import drop_passing
from app.queue import retraining


@dataclass(frozen=True)
class Unscored:
    """The chosen trial of a completed sweep, with the weights of its runs by seed, as safetensors.

    `lacking`: they were not kept, so it has to be trained again first.
    """

    sweep_id: int
    trial_id: int | None
    dataset: str
    split: str
    params: Mapping[str, Any]
    weights: Mapping[int, bytes]
    lacking: bool = False


def next_unscored(session: Session, but: Sequence[int] = ()) -> Unscored | None:
    """A completed sweep that has not been scored, None where there is none; one being trained again is passed over."""
    waiting = select(Sweep).where(Sweep.state == SweepState.completed, ~Sweep.scored, Sweep.id.not_in(but))
    for sweep in session.scalars(waiting.order_by(Sweep.id)):
        trial = session.scalar(select(Trial).where(Trial.id == sweep_row.best_trial_id(sweep).scalar_subquery()))
        found = _unscored(session, sweep, trial)
        if trial is None or trial.retrain_at is None or not found.lacking:
            return found
    return None


def ask_for_weights(session: Session, found: Unscored) -> None:
    """Has the chosen trial trained again; it is scored after that."""
    if session.get(Sweep, found.sweep_id, with_for_update=True) is None:
        return
    trial = session.get(Trial, found.trial_id)
    if trial is not None:
        retraining.ask(session, trial)


def write(session: Session, scored: Unscored, accuracies: Mapping[int, float]) -> None:
    """Ends the scoring; weights of trials that were the best only for a while are let go. `accuracies`: by seed.

    Nothing is written where another trial is the best by now.
    """
    sweep = session.get(Sweep, scored.sweep_id, with_for_update=True)
    if sweep is None or sweep.scored or sweep.state != SweepState.completed:
        return
    best = sweep_row.best_trial_id(sweep)
    if session.scalar(best) != scored.trial_id:
        return
    for seed, accuracy in accuracies.items():
        run = update(Run).where(Run.trial_id == scored.trial_id, Run.seed == seed)
        session.execute(run.values(test_accuracy=accuracy), execution_options={"synchronize_session": False})
    drop_passing(session, sweep, best)
    sweep.scored = True
    sweep.revision += 1
    session.flush()
    notifications.notify(session, sweep.id)


def _unscored(session: Session, sweep: Sweep, trial: Trial | None) -> Unscored:
    runs: Sequence[Run] = []
    if trial is not None:
        runs = session.scalars(select(Run).where(Run.trial_id == trial.id).options(undefer(Run.weights))).all()
    return Unscored(
        sweep_id=sweep.id,
        trial_id=trial.id if trial else None,
        dataset=sweep.dataset,
        split=sweep.split,
        params=(trial.params or {}) if trial else {},
        weights={run.seed: run.weights for run in runs if run.weights is not None},
        lacking=sweep.split != "book" and any(run.weights is None for run in runs),
    )
