"""Scoring: the best trial of a completed sweep is measured on the test examples, and each such look is noted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, undefer

from app.db.tables import Run, Sweep, Trial
from app.domain.datasets import DatasetInfo
from app.domain.formatting import look_text
from app.domain.people.log_events import LogEvent
from app.domain.states import SweepState
from app.lifecycle import sweep_log, sweep_row, weight_retention
from app.lifecycle.best import best_trial_id
from app.queue import retraining

Scores = Mapping[str, float]  # of a run: `test_accuracy`, or `test_r2` and `test_mae`


@dataclass(frozen=True)
class Unscored:
    """A completed sweep that has not been scored, with its best trial."""

    sweep_id: int
    trial_id: int | None  # None where no trial is complete
    dataset: DatasetInfo
    split: str
    params: Mapping[str, Any]
    weights: Mapping[int, bytes]  # of the trial's runs by seed, as safetensors
    weights_missing: bool = False  # they were not stored, so the trial has to be trained again first


def next_unscored(session: Session, leave_out: Sequence[int] = ()) -> Unscored | None:
    """The first sweep that waits to be scored, None where none does.

    Passed over are sweeps of which `leave_out` has the id, and one whose best trial is being trained again.
    """
    waiting = select(Sweep).where(
        Sweep.state == SweepState.completed, ~Sweep.scored, Sweep.id.not_in(leave_out), Sweep.task == "train_mlp"
    )
    for sweep in session.scalars(waiting.order_by(Sweep.id)):
        trial = session.scalar(select(Trial).where(Trial.id == best_trial_id(sweep).scalar_subquery()))
        unscored = _unscored(session, sweep, trial)
        if trial is None or trial.retrain_at is None or not unscored.weights_missing:
            return unscored
    return None


def request_weights(session: Session, unscored: Unscored) -> None:
    """Has the best trial trained again; it is scored after that."""
    if sweep_row.lock(session, unscored.sweep_id) is None:
        return
    trial = session.get(Trial, unscored.trial_id)
    if trial is not None:
        retraining.request(session, trial)


def write(session: Session, unscored: Unscored, scores: Mapping[int, Scores]) -> None:
    """Stores the test scores, by seed and column, and removes weights of trials that were the best only for a while.

    Nothing is written where another trial is the best by now.
    """
    sweep = sweep_row.lock(session, unscored.sweep_id)
    if sweep is None or sweep.scored or sweep.state != SweepState.completed:
        return
    if session.scalar(best_trial_id(sweep)) != unscored.trial_id:
        return
    for seed, run_scores in scores.items():
        run = update(Run).where(Run.trial_id == unscored.trial_id, Run.seed == seed)
        session.execute(run.values(**run_scores), execution_options={"synchronize_session": False})
    if scores:
        look = _look(session, unscored.trial_id, scores)
        sweep.test_scores = [*sweep.test_scores, look]
        words = f"Measured trial {look['number']} on the test {sweep.dataset_info.noun}: "
        words += look_text(look, sweep.dataset_info.unit)
        sweep_log.note(session, sweep.id, LogEvent.scored, words, [look["number"]])
    weight_retention.drop_superseded(session, sweep)
    sweep.scored = True
    session.flush()
    sweep_row.mark_changed(session, sweep.id)


def _look(session: Session, trial_id: int | None, scores: Mapping[int, Scores]) -> dict[str, Any]:
    """What was seen of the test examples, and when."""
    number = session.scalars(select(Trial.number).where(Trial.id == trial_id)).one()
    at = session.scalars(select(func.clock_timestamp())).one()
    names = next(iter(scores.values())).keys()
    means = {name: fmean(run_scores[name] for run_scores in scores.values()) for name in names}
    return {"at": at.isoformat(), "number": number, "runs": len(scores), **means}


def _unscored(session: Session, sweep: Sweep, trial: Trial | None) -> Unscored:
    runs: Sequence[Run] = []
    if trial is not None:
        runs = session.scalars(select(Run).where(Run.trial_id == trial.id).options(undefer(Run.weights))).all()
    return Unscored(
        sweep_id=sweep.id,
        trial_id=trial.id if trial else None,
        dataset=sweep.dataset_info,
        split=sweep.split,
        params=(trial.params or {}) if trial else {},
        weights={run.seed: run.weights for run in runs if run.weights is not None},
        weights_missing=sweep.split != "book" and any(run.weights is None for run in runs),
    )
