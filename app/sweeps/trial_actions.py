"""What users do with single trials: enqueue their own, retry, cancel, exclude and include them, and note.

Each function locks the sweep's row first, as every writer does; the caller's transaction commits.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.db import trial_rows
from app.db.tables import Run, Sweep, Trial
from app.domain import transitions
from app.domain.people.log_events import LogEvent
from app.domain.sampling import traits_of
from app.domain.space import membership, parse_space
from app.domain.states import RunState, SweepState, TrialState
from app.errors import ConflictError, FieldError, InvalidError
from app.lifecycle import sweep_log, sweep_row
from app.lifecycle.best import best_trial_id
from app.lifecycle.trial_changes import CANCELLED
from app.sweeps import body_checks

# Whether a run of a trial diverged.
HAS_DIVERGED = select(Run.trial_id).where(Run.trial_id == Trial.id, Run.state == RunState.diverged).exists()


def count_retryable(session: Session, sweep_id: int) -> int:
    """How many failed trials may come out otherwise if they are trained again: their workers were lost, or erred."""
    failed = select(func.count()).where(Trial.sweep_id == sweep_id, Trial.state == TrialState.failed, ~HAS_DIVERGED)
    return session.scalars(failed).one()


def enqueue(session: Session, sweep_id: int, params: Mapping[str, Any], idempotency_key: str | None = None) -> Trial:
    """Adds a trial with these parameters, ahead of the sampler's; the same key gives the same trial.

    Raises InvalidError for parameters outside the space or against a constraint, and ConflictError for a cell that the
    grid has already, for a sweep that is stopping or full, and for a key that was used with other parameters.
    """
    sweep = sweep_row.get(session, sweep_id, lock=True)
    full = membership.complete_params(parse_space(sweep.space, sweep.task), params)
    _refuse_infeasible(sweep, full)
    if idempotency_key is not None and (earlier := _trial_of_key(session, sweep, idempotency_key)) is not None:
        if earlier.params != full:
            raise ConflictError(f"This Idempotency-Key belongs to trial {earlier.number}, which has other parameters.")
        return earlier
    _refuse_repeated(session, sweep, full)
    trial = Trial(
        sweep_id=sweep_id,
        number=sweep_row.next_number(session, sweep),
        params=full,
        enqueued=True,
        idempotency_key=idempotency_key,
        **trial_rows.trial_size(sweep, full),
    )
    sweep_row.reopen(session, sweep)
    session.add(trial)
    session.flush()
    sweep_log.note(session, sweep_id, LogEvent.trials, f"Queued trial {trial.number} by hand", [trial.number])
    sweep_row.touch(session, sweep)
    session.refresh(trial)
    return trial


def retry(session: Session, sweep_id: int, number: int) -> Trial:
    """Puts a trial back into the queue, with the same parameters. Raises ConflictError where its state forbids it."""
    sweep = sweep_row.get(session, sweep_id, lock=True)
    trial = sweep_row.get_trial(session, sweep.id, number)
    if transitions.TRIALS.target("retry", trial.state, _subject(trial)) is not None:
        _requeue(session, sweep, [trial.id])
        session.refresh(trial)
    return trial


def retry_all(
    session: Session, sweep_id: int, state: TrialState = TrialState.failed, *, diverged: bool = True
) -> Sweep:
    """Puts every failed, or every cancelled, trial of the sweep back into the queue.

    Without `diverged`, those stay as they are in which a run diverged: with the same seeds it does so again. Raises
    ConflictError where the sweep is stopping.
    """
    sweep = sweep_row.get(session, sweep_id, lock=True)
    ended = select(Trial.id).where(Trial.sweep_id == sweep_id, Trial.state == state)
    if ids := session.scalars(ended if diverged else ended.where(~HAS_DIVERGED)).all():
        _requeue(session, sweep, ids)
    return sweep


def cancel(session: Session, sweep_id: int, number: int) -> Trial:
    """Ends a trial that waits or runs; its worker hears of it at its next epoch. Raises ConflictError."""
    sweep = sweep_row.get(session, sweep_id, lock=True)
    trial = sweep_row.get_trial(session, sweep.id, number)
    if transitions.TRIALS.target("cancel", trial.state, _subject(trial)) is not None:
        session.execute(_CANCEL, {"id": trial.id})
        sweep_log.note(session, sweep_id, LogEvent.trials, f"Cancelled trial {number}", [number])
        sweep_row.touch(session, sweep)
        session.refresh(trial)
    return trial


def set_excluded(session: Session, sweep_id: int, number: int, excluded: bool) -> Trial:
    """Leaves a trial out of the best, of what the sampler learns from and of the charts, or takes it in again.

    A completed sweep whose best trial becomes another one is scored again, unless that one has been.
    """
    sweep = sweep_row.get(session, sweep_id, lock=True)
    trial = sweep_row.get_trial(session, sweep.id, number)
    if trial.excluded == excluded:
        return trial
    best_id = session.scalar(best_trial_id(sweep))
    trial.excluded = excluded
    session.flush()
    word = "Excluded" if excluded else "Included"
    sweep_log.note(session, sweep_id, LogEvent.trials, f"{word} trial {number}", [number])
    new_best_id = session.scalar(best_trial_id(sweep))
    if new_best_id != best_id and sweep.state == SweepState.completed:
        best_number = session.scalar(select(Trial.number).where(Trial.id == new_best_id))
        sweep.scored = best_number in {look["number"] for look in sweep.test_scores}  # no second look at one model
    sweep_row.touch(session, sweep)
    return trial


def set_note(session: Session, sweep_id: int, number: int, note: str) -> Trial:
    """Keeps these words about a trial. Raises InvalidError for a text that can't be stored."""
    body_checks.check_text({"note": note})
    sweep = sweep_row.get(session, sweep_id, lock=True)
    trial = sweep_row.get_trial(session, sweep.id, number)
    if trial.note != note:
        trial.note = note
        words = f"Noted something on trial {number}" if note else f"Dropped the note on trial {number}"
        sweep_log.note(session, sweep_id, LogEvent.trials, words, [number])
        sweep_row.touch(session, sweep)
    return trial


def _trial_of_key(session: Session, sweep: Sweep, idempotency_key: str) -> Trial | None:
    """The trial that was queued with this key."""
    query = select(Trial).where(Trial.sweep_id == sweep.id, Trial.idempotency_key == idempotency_key)
    return session.scalar(query)


def _subject(trial: Trial) -> str:
    """The trial, as error sentences call it."""
    return f"Trial {trial.number} of sweep {trial.sweep_id}"


def _requeue(session: Session, sweep: Sweep, ids: Sequence[int]) -> None:
    """Lets ended trials wait again, without their runs and learning curves; an ended sweep goes on."""
    sweep_row.reopen(session, sweep)
    for statement in _DELETE_RUNS:
        session.execute(statement, {"ids": list(ids)})
    numbers = sorted(session.scalars(_REQUEUE, {"ids": list(ids)}))
    sweep_log.note(session, sweep.id, LogEvent.trials, f"Retried {sweep_log.trials_text(numbers)}", numbers)
    sweep_row.touch(session, sweep)


def _refuse_repeated(session: Session, sweep: Sweep, params: Mapping[str, Any]) -> None:
    """A grid is every cell once, whoever asks for it, and a sweep may forbid repeats."""
    if not traits_of(sweep.sampler).enumerates and sweep.repeats != "forbid":
        return
    same = select(Trial).where(
        Trial.sweep_id == sweep.id, Trial.configuration == trial_rows.configuration(params, sweep.task)
    )
    if (trial := session.scalar(same.order_by(Trial.number).limit(1))) is not None:
        reason = "a grid has every cell once" if traits_of(sweep.sampler).enumerates else "this sweep forbids repeats"
        retry_hint = "retry that trial, or " if trial.state in transitions.TRIALS.sources("retry") else ""
        raise ConflictError(
            f"{_subject(trial)} has these parameters already and is {trial.state}: they can't become waiting a second "
            f"time, for {reason}; {retry_hint}clone the sweep."
        )


def _refuse_infeasible(sweep: Sweep, params: Mapping[str, Any]) -> None:
    if broken := trial_rows.constraints_of(sweep).broken(params):
        raise InvalidError(
            "The parameters break a constraint of this sweep.", [FieldError(("params",), f"must satisfy {broken}")]
        )


_CANCEL = text(f"UPDATE trials SET {CANCELLED} WHERE id = :id")

_DELETE_RUNS = (
    text("DELETE FROM runs WHERE trial_id = ANY(:ids)"),
    text("DELETE FROM epochs WHERE trial_id = ANY(:ids)"),
    text("DELETE FROM diagnostics WHERE trial_id = ANY(:ids)"),
    text("DELETE FROM checkpoints WHERE trial_id = ANY(:ids)"),
)

# An attempt that was lost is in the history already; another one that ended without a value is added.
_REQUEUE = text("""
    UPDATE trials
    SET state = 'waiting', value = NULL, std = NULL, other_values = NULL, error = NULL, reason = NULL, attempt = 0,
        epochs_done = 0, epochs_trained = 0, bracket = NULL, rung = NULL, rung_means = '{}',
        started_at = NULL, finished_at = NULL, retrain_at = NULL, circumstances = NULL,
        history = history || CASE
            WHEN started_at IS NULL OR (history -> -1 ->> 'started_at')::timestamptz = started_at THEN '[]'
            ELSE jsonb_build_array(jsonb_build_object(
                'worker', worker_id, 'started_at', started_at, 'ended_at', finished_at,
                'reason', coalesce(error, reason, CAST(state AS text))))
        END
    WHERE id = ANY(:ids)
    RETURNING number
""")
