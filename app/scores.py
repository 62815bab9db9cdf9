"""Scoring the chosen trial of a completed sweep: which one waits for it, and what came out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session, undefer

from app import sweeps
from app.models import Run, Sweep, SweepState, Trial


@dataclass(frozen=True)
class Unscored:
    """The chosen trial of a completed sweep, with the weights of its runs by seed, as safetensors."""

    sweep_id: int
    trial_id: int | None
    dataset: str
    split: str
    params: Mapping[str, Any]
    weights: Mapping[int, bytes]


def next_unscored(session: Session, but: Sequence[int] = ()) -> Unscored | None:
    """A completed sweep that has not been scored, None where there is none."""
    waiting = select(Sweep).where(Sweep.state == SweepState.completed, ~Sweep.scored, Sweep.id.not_in(but))
    sweep = session.scalar(waiting.order_by(Sweep.id).limit(1))
    if sweep is None:
        return None
    trial = session.scalar(select(Trial).where(Trial.id == sweeps.best_trial_id(sweep).scalar_subquery()))
    kept = select(Run).where(Run.trial_id == (trial.id if trial else None), Run.weights.is_not(None))
    runs = session.scalars(kept.options(undefer(Run.weights)))
    return Unscored(
        sweep_id=sweep.id,
        trial_id=trial.id if trial else None,
        dataset=sweep.dataset,
        split=sweep.split,
        params=(trial.params or {}) if trial else {},
        weights={run.seed: run.weights for run in runs if run.weights is not None},
    )


def write(session: Session, scored: Unscored, accuracies: Mapping[int, float]) -> None:
    """Ends the scoring; weights of trials that were the best only for a while are let go. `accuracies`: by seed."""
    sweep = session.get(Sweep, scored.sweep_id, with_for_update=True)
    if sweep is None or sweep.scored:
        return
    for seed, accuracy in accuracies.items():
        run = update(Run).where(Run.trial_id == scored.trial_id, Run.seed == seed)
        session.execute(run.values(test_accuracy=accuracy), execution_options={"synchronize_session": False})
    drop_weights(session, sweep.id, but=scored.trial_id)
    sweep.scored = True
    sweep.revision += 1
    session.flush()
    sweeps.notify(session, sweep.id)


def drop_weights(session: Session, sweep_id: int, but: int | None = None) -> None:
    """Lets go of the weights of a sweep's trials, all or all but one's."""
    others = select(Trial.id).where(Trial.sweep_id == sweep_id, Trial.id.is_distinct_from(but))
    session.execute(
        update(Run).where(Run.trial_id.in_(others), Run.weights.is_not(None)).values(weights=None),
        execution_options={"synchronize_session": False},
    )
