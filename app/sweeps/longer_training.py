"""Longer training: a complete trial goes on to more epochs as a new trial, from where it ended."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.db import trial_rows
from app.db.tables import Epoch, Sweep, Trial
from app.domain.configuration import MLPConfig
from app.domain.formatting import plural
from app.domain.people.log_events import LogEvent
from app.domain.states import TrialState
from app.domain.tasks import TASKS
from app.errors import ConflictError
from app.lifecycle import best, sweep_log, sweep_row
from app.schemas import ContinuedTrials, ContinueTop, NotContinued

_CAN_COMPLETE = (TrialState.waiting, TrialState.running, TrialState.complete)
_CAN_BE_RETRIED = {TrialState.cancelled: "was cancelled", TrialState.failed: "failed"}


def continue_trial(session: Session, sweep_id: int, number: int, epochs: int) -> tuple[Trial, bool]:
    """The trial that goes on to so many epochs where this one ended, and whether it is new: a second call finds it.

    It has the parameters of the first but for its epochs, and the same seeds. Raises ConflictError where it would not
    come to what the same training without a break comes to, or to nothing more, and for a sweep that is stopping.
    """
    sweep = sweep_row.get(session, sweep_id, lock=True)
    trial = sweep_row.get_trial(session, sweep_id, number)
    earlier = _earlier_continuation(session, trial, epochs)
    if earlier is not None:
        return earlier, False
    if (reason := _why_not(session, sweep, trial, epochs)) is not None:
        raise ConflictError(f"Trial {number} of sweep {sweep_id} can't be trained longer: {reason}.")
    longer_trial = _add(session, sweep, trial, epochs)
    sweep_row.touch(session, sweep)
    session.refresh(longer_trial)
    return longer_trial, True


def continue_top(session: Session, sweep_id: int, body: ContinueTop) -> ContinuedTrials:
    """Lets the first trials of the best configurations go on, as many of them as can, and says why others can't.

    Raises ConflictError where none can.
    """
    sweep = sweep_row.get(session, sweep_id, lock=True)
    ids = session.scalars(best.TOP, {"sweep": sweep_id, "count": body.top}).all()
    numbers: list[int] = []
    left_out: list[NotContinued] = []
    for trial in (session.get_one(Trial, trial_id) for trial_id in ids):
        earlier = _earlier_continuation(session, trial, body.epochs)
        reason = None if earlier is not None else _why_not(session, sweep, trial, body.epochs)
        if reason is None:
            numbers.append((earlier or _add(session, sweep, trial, body.epochs)).number)
        else:
            left_out.append(NotContinued(trial=trial.number, reason=reason))
    if not numbers:
        reasons = "; ".join(f"trial {trial.trial}: {trial.reason}" for trial in left_out) or "no trial is complete yet"
        raise ConflictError(f"No trial of sweep {sweep_id} can be trained longer: {reasons}.")
    sweep_row.touch(session, sweep)
    return ContinuedTrials(trials=numbers, left_out=left_out)


def _earlier_continuation(session: Session, trial: Trial, epochs: int) -> Trial | None:
    """The trial that goes on, or went on, from this one to so many epochs; not one that was cancelled or failed."""
    longer_trials = select(Trial).where(
        Trial.sweep_id == trial.sweep_id, Trial.continued_from == trial.number, Trial.state.in_(_CAN_COMPLETE)
    )
    return next(
        (longer for longer in session.scalars(longer_trials) if (longer.params or {}).get("epochs") == epochs), None
    )


def _why_not(session: Session, sweep: Sweep, trial: Trial, epochs: int) -> str | None:
    """Why the trial can't go on to so many epochs, or None."""
    if TASKS[sweep.task].is_timing:
        return f"{sweep.task} trains nothing"
    if trial.state != TrialState.complete or trial.params is None:
        return f"it is {trial.state}, and only complete trials go on"
    config = MLPConfig.from_params(trial.params)
    if epochs <= config.epochs:
        return f"it was trained for {plural(config.epochs, 'epoch')}, so ask for more than that"
    if config.schedule_spans_training:
        return (
            f"its learning rate has come down over {plural(config.epochs, 'epoch')} by the schedule "
            f"{config.lr_schedule}, which another number of epochs changes from the first step on; queue a trial with "
            f"epochs {epochs}"
        )
    last_epoch = session.scalar(select(func.max(Epoch.epoch)).where(Epoch.trial_id == trial.id))
    if last_epoch is not None and last_epoch < config.epochs:
        return f"its patience ended at epoch {last_epoch}, where it would end again"
    return _why_not_allowed(session, sweep, trial, _longer_params(trial, epochs))


def _why_not_allowed(session: Session, sweep: Sweep, trial: Trial, params: Mapping[str, Any]) -> str | None:
    """Why the sweep does not take a trial with these parameters and the seeds of this one, or None."""
    if broken := trial_rows.constraints_of(sweep).broken(params):
        return f"it would break the constraint {broken}"
    twins = select(Trial.number, Trial.state).where(
        Trial.sweep_id == sweep.id,
        Trial.configuration == trial_rows.configuration(params),
        Trial.first_seed == trial.first_seed,
    )
    twin = session.execute(twins.order_by(Trial.number).limit(1)).one_or_none()
    if twin is None:
        return None
    if twin.state in _CAN_BE_RETRIED:
        return f"trial {twin.number} has these parameters and seeds and {_CAN_BE_RETRIED[twin.state]}: retry that one"
    return f"trial {twin.number} has these parameters and seeds already"


def _longer_params(trial: Trial, epochs: int) -> dict[str, Any]:
    return {**(trial.params or {}), "epochs": epochs}


def _add(session: Session, sweep: Sweep, trial: Trial, epochs: int) -> Trial:
    """Queues the longer trial, with the curves and the checkpoint of the other one where that is kept."""
    params = _longer_params(trial, epochs)
    longer_trial = Trial(
        sweep_id=sweep.id,
        number=sweep_row.next_number(session, sweep),
        params=params,
        first_seed=trial.first_seed,
        bracket=trial.bracket,
        enqueued=True,
        continued_from=trial.number,
        **trial_rows.trial_size(sweep, params),
    )
    sweep_row.reopen(session, sweep)
    session.add(longer_trial)
    session.flush()
    words = f"Queued trial {longer_trial.number}: trial {trial.number} goes on to {plural(epochs, 'epoch')}"
    sweep_log.note(session, sweep.id, LogEvent.trials, words, [longer_trial.number])
    for statement in (_COPY_CHECKPOINT, _COPY_EPOCHS, _COPY_DIAGNOSTICS, _GO_ON):
        session.execute(statement, {"id": longer_trial.id, "source": trial.id})
    return longer_trial


# each of these does nothing where the checkpoint was not kept: the trial begins anew, with the same seeds
_COPY_CHECKPOINT = text("""
    INSERT INTO checkpoints (trial_id, epochs_done, data)
    SELECT :id, epochs_done, data FROM checkpoints WHERE trial_id = :source AND is_final
""")

_COPY_EPOCHS = text("""
    INSERT INTO epochs (trial_id, seed, epoch, train_loss, train_accuracy, val_loss, val_accuracy, seconds,
                        train_r2, train_mae, val_r2, val_mae)
    SELECT :id, seed, epoch, train_loss, train_accuracy, val_loss, val_accuracy, seconds,
           train_r2, train_mae, val_r2, val_mae
    FROM epochs WHERE trial_id = :source AND EXISTS (SELECT FROM checkpoints WHERE trial_id = :id)
""")

_COPY_DIAGNOSTICS = text("""
    INSERT INTO diagnostics (trial_id, seed, epoch, dead_share, activation_rms, gradient_rms, predicted_classes,
                             top_class_share, distinct_outputs, bottleneck)
    SELECT :id, seed, epoch, dead_share, activation_rms, gradient_rms, predicted_classes, top_class_share,
           distinct_outputs, bottleneck
    FROM diagnostics WHERE trial_id = :source AND EXISTS (SELECT FROM checkpoints WHERE trial_id = :id)
""")

_GO_ON = text("""
    UPDATE trials t
    SET epochs_done = c.epochs_done, epochs_trained = (SELECT max(epoch) FROM epochs WHERE trial_id = :id)
    FROM checkpoints c WHERE t.id = :id AND c.trial_id = t.id
""")
