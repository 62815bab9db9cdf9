"""Retraining: complete trials are trained again for weights that were not stored.

`retrain_at` is both queue and lease: null where nothing is to do, else when a worker may begin. One that begins sets it
ahead, and goes on doing so; if it is killed, the time comes and another one begins. Nothing is locked meanwhile, and
two that train one trial write the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select, text, update
from sqlalchemy.orm import Session, aliased

from app.db import notifications
from app.db.sweep_setups import setup_of
from app.db.tables import LogEntry, Run, Sweep, Trial
from app.domain.people.log_events import LogEvent
from app.domain.states import SweepState, TrialState
from app.domain.sweep_setup import SweepSetup
from app.lifecycle import sweep_log, sweep_row
from app.lifecycle.best import best_trial_id
from app.lifecycle.claimable import FITS_WORKER, MAY_TRAIN
from app.lifecycle.weight_retention import store_weights
from app.queue.workers import read_claimer


@dataclass(frozen=True)
class Retraining:
    """A complete trial whose weights are missing."""

    sweep: SweepSetup
    trial_id: int
    number: int
    params: dict[str, Any]
    values: Mapping[int, float]  # of its runs, by the index of their seed


def request(session: Session, trial: Trial) -> None:
    """Has a trial trained again, as soon as a worker comes to it; one that waits for it already keeps its place."""
    trial.retrain_at = trial.retrain_at or session.scalar(select(func.clock_timestamp()))
    session.flush()
    notifications.notify(session, trial.sweep_id)


def is_due(trial: type[Trial]) -> ColumnElement[bool]:
    """Whether a worker may begin with it."""
    weights_missing = select(Run).where(Run.trial_id == trial.id, Run.weights.is_(None)).exists()
    return and_(trial.retrain_at <= func.clock_timestamp(), trial.state == TrialState.complete, weights_missing)


def claim(session: Session, worker_id: UUID, lease_seconds: float) -> Retraining | None:
    """Begins with the trial that has waited longest for such a worker; None where none does, or it is drained."""
    claimer = read_claimer(session, worker_id)
    if claimer is None:
        return None
    t, s = aliased(Trial, name="t"), aliased(Sweep, name="s")  # as these conditions have them
    due = (
        select(t, s)
        .join(s, s.id == t.sweep_id)  # a trial of a deleted sweep is left there until it is cleared
        .where(is_due(t), text(MAY_TRAIN), text(FITS_WORKER))
        .order_by(t.retrain_at)
        .limit(1)
        .with_for_update(of=t, skip_locked=True)
    )
    row = session.execute(due, claimer.parameters).one_or_none()
    if row is None:
        return None
    trial, sweep = row
    postpone(session, trial.id, lease_seconds)
    runs = session.scalars(select(Run).where(Run.trial_id == trial.id).order_by(Run.seed))
    values = {run.seed: run.value for run in runs if run.value is not None}
    return Retraining(setup_of(sweep), trial.id, trial.number, trial.params or {}, values)


def postpone(session: Session, trial_id: int, seconds: float) -> None:
    """Lets no other worker begin with this trial for so long: one trains it, or has found that it can't."""
    _set_retrain_at(session, trial_id, func.clock_timestamp() + text(f"interval '{seconds:g} seconds'"))


def store(session: Session, sweep_id: int, trial_id: int, weights: Mapping[int, bytes]) -> None:
    """Stores the weights of runs, by the index of the seed; the trial leaves the queue once all of them are there."""
    if sweep_row.lock(session, sweep_id) is None or _waiting_trial(session, sweep_id, trial_id) is None:
        return
    store_weights(session, trial_id, weights)
    lacks_weights = Run.trial_id == trial_id, Run.value.is_not(None), Run.weights.is_(None)
    if session.scalar(select(Run.seed).where(*lacks_weights).limit(1)) is None:
        _set_retrain_at(session, trial_id, None)
    sweep_row.mark_changed(session, sweep_id)


def leave_to_larger(session: Session, sweep_id: int, trial_id: int, worker_id: UUID, memory: int, reason: str) -> None:
    """Leaves the trial to workers with so much memory, and more than this one; where none has it, gives it up."""
    sweep, claimer = sweep_row.lock(session, sweep_id), read_claimer(session, worker_id)
    trial = _waiting_trial(session, sweep_id, trial_id)
    if sweep is None or claimer is None or trial is None:
        return
    least = claimer.memory_of_larger(memory)
    if least > claimer.largest_for(sweep):
        _end_wait(session, sweep, trial, reason)
    else:
        trial.least_memory, trial.retrain_at = least, session.scalar(select(func.clock_timestamp()))
        session.flush()
        sweep_row.mark_changed(session, sweep_id)


def give_up(session: Session, sweep_id: int, trial_id: int, reason: str) -> None:
    """Takes the trial out of the queue, because that fails for this reason."""
    sweep = sweep_row.lock(session, sweep_id)
    trial = _waiting_trial(session, sweep_id, trial_id)
    if sweep is not None and trial is not None:
        _end_wait(session, sweep, trial, reason)


def failure(session: Session, trial: Trial) -> str | None:
    """Why it was given up to make the trial's model, if that is the last that became of it."""
    noted = LogEntry.event == LogEvent.model, LogEntry.trials == [trial.number]
    last = select(LogEntry.text).where(LogEntry.sweep_id == trial.sweep_id, *noted).order_by(LogEntry.id.desc())
    words = session.scalar(last.limit(1)) or ""
    return words if words.startswith(_failure_words(trial, "")) else None


def _failure_words(trial: Trial, reason: str) -> str:
    return f"The model of trial {trial.number} can't be made: {reason}"


def _end_wait(session: Session, sweep: Sweep, trial: Trial, reason: str) -> None:
    """Takes the trial out of the queue; the sweep's log says why.

    Where it is the best trial of a sweep that waits to be scored, the sweep stays without a score, which needs its
    weights.
    """
    trial.retrain_at = None
    words = _failure_words(trial, reason)
    if sweep.state == SweepState.completed and not sweep.scored and session.scalar(best_trial_id(sweep)) == trial.id:
        sweep.scored = True
        words += "; so it is not measured on the test examples"
    sweep_log.note(session, sweep.id, LogEvent.model, words, [trial.number])
    session.flush()
    sweep_row.mark_changed(session, sweep.id)


def _waiting_trial(session: Session, sweep_id: int, trial_id: int) -> Trial | None:
    """The trial, locked, where it still waits to be trained again."""
    is_it = Trial.id == trial_id, Trial.sweep_id == sweep_id, Trial.retrain_at.is_not(None)
    return session.scalar(select(Trial).where(*is_it).with_for_update())


def _set_retrain_at(session: Session, trial_id: int, time: ColumnElement[Any] | None) -> None:
    """Changes when a worker may begin; a trial that nobody waits for any more stays so."""
    requested = update(Trial).where(Trial.id == trial_id, Trial.retrain_at.is_not(None)).values(retrain_at=time)
    session.execute(requested, execution_options={"synchronize_session": False})
