"""Scoring: the best trial of a completed sweep is measured on the test examples, and each such look is noted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.db.tables import Run, Sweep, Trial
from app.domain.datasets import DatasetInfo
from app.domain.formatting import look_text
from app.domain.people.log_events import LogEvent
from app.domain.states import SweepState
from app.lifecycle import sweep_log, sweep_row, weight_retention
from app.lifecycle.best import best_trial_id
from app.queue import retraining
from app.queue.progress import Measured

ScoreName = Literal["test_accuracy", "test_r2", "test_mae"]  # columns of a run
Scores = Mapping[ScoreName, Measured]


@dataclass(frozen=True)
class Unscored:
    """A completed sweep that has not been scored, with its best trial."""

    sweep_id: int
    trial_id: int | None  # None where no trial is complete
    dataset: DatasetInfo
    split: str
    params: Mapping[str, Any]
    seeds: Sequence[int]  # indices of those of the trial's runs that have weights
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


def load_weights(session: Session, trial_id: int, seed: int) -> bytes | None:
    """The weights of a run as safetensors, which may be hundreds of megabytes; None where they are not kept."""
    return session.scalar(select(Run.weights).where(Run.trial_id == trial_id, Run.seed == seed))


def request_weights(session: Session, unscored: Unscored) -> None:
    """Has the best trial trained again; it is scored after that."""
    if unscored.trial_id is not None and _lock(session, unscored) is not None:
        retraining.request(session, session.get_one(Trial, unscored.trial_id))


def write(session: Session, unscored: Unscored, scores: Mapping[int, Scores]) -> None:
    """Stores the test scores, by seed and column, and removes weights of trials that were the best only for a while."""
    sweep = _lock(session, unscored)
    if sweep is None:
        return
    for seed, run_scores in scores.items():
        run = update(Run).where(Run.trial_id == unscored.trial_id, Run.seed == seed)
        if run_scores:
            session.execute(run.values({**run_scores}), execution_options={"synchronize_session": False})
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


def _lock(session: Session, unscored: Unscored) -> Sweep | None:
    """The sweep, unless it has been scored meanwhile or another trial is its best by now: then nothing is written."""
    sweep = sweep_row.lock(session, unscored.sweep_id)
    if sweep is None or sweep.scored or sweep.state != SweepState.completed:
        return None
    return sweep if session.scalar(best_trial_id(sweep)) == unscored.trial_id else None


def _look(session: Session, trial_id: int | None, scores: Mapping[int, Scores]) -> dict[str, Any]:
    """What was seen of the test examples, and when."""
    number = session.scalars(select(Trial.number).where(Trial.id == trial_id)).one()
    at = session.scalars(select(func.clock_timestamp())).one()
    of_all_runs = set.intersection(*map(set, scores.values()))  # what is not finite in one has no mean
    means: dict[str, float] = {
        name: fmean(run_scores[name] for run_scores in scores.values()) for name in sorted(of_all_runs)
    }
    return {"at": at.isoformat(), "number": number, "runs": len(scores), **means}


def _unscored(session: Session, sweep: Sweep, trial: Trial | None) -> Unscored:
    has_weights = select(Run.seed, Run.weights.is_not(None)).where(Run.trial_id == (trial.id if trial else None))
    runs: dict[int, bool] = {seed: is_kept for seed, is_kept in session.execute(has_weights.order_by(Run.seed))}  # noqa: C416 (of rows mypy knows no types)
    return Unscored(
        sweep_id=sweep.id,
        trial_id=trial.id if trial else None,
        dataset=sweep.dataset_info,
        split=sweep.split,
        params=(trial.params or {}) if trial else {},
        seeds=[seed for seed, is_kept in runs.items() if is_kept],
        weights_missing=sweep.split != "book" and not all(runs.values()),
    )
