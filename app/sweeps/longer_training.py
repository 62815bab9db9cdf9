"""Longer training: a complete trial goes on to more epochs as a new trial, from where it ended.

However many go on together, it takes the same few statements: others wait for the sweep meanwhile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.db import trial_rows
from app.db.curve_columns import copy_rows
from app.db.tables import Diagnostics, Epoch, Sweep, Trial
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


@dataclass(frozen=True)
class Plan:
    """What becomes of trials that are to go on, each in one of these."""

    earlier: Mapping[int | None, Trial]  # by the number of the trial, the one that goes on from it already
    new: list[Trial] = field(default_factory=list)  # those that can go on
    reasons: dict[int, str] = field(default_factory=dict)  # by their numbers, why others can't


class Twin(NamedTuple):
    """A trial with the same parameters and seeds."""

    number: int
    state: TrialState


def continue_trial(session: Session, sweep_id: int, number: int, epochs: int) -> tuple[Trial, bool]:
    """The trial that goes on to so many epochs where this one ended, and whether it is new: a second call finds it.

    It has the parameters of the first but for its epochs, and the same seeds. Raises ConflictError where it would not
    come to what the same training without a break comes to, or to nothing more, and for a sweep that is stopping.
    """
    sweep = sweep_row.get(session, sweep_id, lock=True)
    trial = sweep_row.get_trial(session, sweep_id, number)
    plan = _plan(session, sweep, [trial], epochs)
    if plan.earlier:
        return plan.earlier[number], False
    if plan.reasons:
        raise ConflictError(f"Trial {number} of sweep {sweep_id} can't be trained longer: {plan.reasons[number]}.")
    (longer_trial,) = _add(session, sweep, plan.new, epochs)
    sweep_row.touch(session, sweep)
    session.refresh(longer_trial)
    return longer_trial, True


def continue_top(session: Session, sweep_id: int, body: ContinueTop) -> ContinuedTrials:
    """Lets the first trials of the best configurations go on, as many of them as can, and says why others can't.

    Raises ConflictError where none can.
    """
    sweep = sweep_row.get(session, sweep_id, lock=True)
    ids = best.top_ids(session, sweep_id, body.top)
    trials = {trial.id: trial for trial in session.scalars(select(Trial).where(Trial.id.in_(ids)))}
    plan = _plan(session, sweep, [trials[trial_id] for trial_id in ids], body.epochs)
    left_out = [NotContinued(trial=number, reason=reason) for number, reason in plan.reasons.items()]
    if len(left_out) == len(ids):
        reasons = "; ".join(f"trial {trial.trial}: {trial.reason}" for trial in left_out) or "no trial is complete yet"
        raise ConflictError(f"No trial of sweep {sweep_id} can be trained longer: {reasons}.")
    longer_trials = {trial.continued_from: trial for trial in _add(session, sweep, plan.new, body.epochs)}
    longer_trials |= plan.earlier
    numbers = [longer_trials[number].number for trial_id in ids if (number := trials[trial_id].number) in longer_trials]
    sweep_row.touch(session, sweep)
    return ContinuedTrials(trials=numbers, left_out=left_out)


def _plan(session: Session, sweep: Sweep, trials: Sequence[Trial], epochs: int) -> Plan:
    """What becomes of these trials of a locked sweep, in their order."""
    plan = Plan(_earlier_continuations(session, sweep, trials, epochs))
    trials = [trial for trial in trials if trial.number not in plan.earlier]
    reasons = _why_not(session, sweep, trials, epochs)
    twins = _twins(session, sweep, {_configuration(trial, epochs) for trial in trials if trial.number not in reasons})
    constraints, going = trial_rows.constraints_of(sweep), dict[tuple[str | None, int], int]()
    for trial in trials:
        if trial.number in reasons:
            plan.reasons[trial.number] = reasons[trial.number]
            continue
        place = _configuration(trial, epochs), trial.first_seed
        if broken := constraints.broken(_longer_params(trial, epochs)):
            plan.reasons[trial.number] = f"it would break the constraint {broken}"
        elif place in twins:
            plan.reasons[trial.number] = _why_not_twice(twins[place])
        elif place in going:
            plan.reasons[trial.number] = f"trial {going[place]} goes on to the same parameters and seeds"
        else:
            going[place] = trial.number
            plan.new.append(trial)
    return plan


def _earlier_continuations(
    session: Session, sweep: Sweep, trials: Sequence[Trial], epochs: int
) -> dict[int | None, Trial]:
    """The trials that go on, or went on, from these to so many epochs; not those that were cancelled or failed."""
    numbers = [trial.number for trial in trials]
    longer_trials = select(Trial).where(
        Trial.sweep_id == sweep.id, Trial.continued_from.in_(numbers), Trial.state.in_(_CAN_COMPLETE)
    )
    rows = session.scalars(longer_trials.order_by(Trial.number.desc()))
    return {longer.continued_from: longer for longer in rows if (longer.params or {}).get("epochs") == epochs}


def _why_not(session: Session, sweep: Sweep, trials: Sequence[Trial], epochs: int) -> dict[int, str]:
    """Why some of the trials can't go on to so many epochs, by their numbers, whatever else is in the sweep."""
    last_epochs = select(Epoch.trial_id, func.max(Epoch.epoch)).where(
        Epoch.trial_id.in_([trial.id for trial in trials])
    )
    rows = session.execute(last_epochs.group_by(Epoch.trial_id))
    trained = {trial_id: epoch for trial_id, epoch in rows}  # noqa: C416 (of rows mypy knows no types)
    reasons = {trial.number: _why_not_this(sweep, trial, trained.get(trial.id), epochs) for trial in trials}
    return {number: reason for number, reason in reasons.items() if reason is not None}


def _why_not_this(sweep: Sweep, trial: Trial, last_epoch: int | None, epochs: int) -> str | None:
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
    if last_epoch is not None and last_epoch < config.epochs:
        return f"its patience ended at epoch {last_epoch}, where it would end again"
    return None


def _twins(session: Session, sweep: Sweep, configurations: set[str]) -> dict[tuple[str | None, int], Twin]:
    """The sweep's first trial of each of these configurations and first seeds."""
    columns = (Trial.configuration, Trial.first_seed, Trial.number, Trial.state)
    equal = select(*columns).where(Trial.sweep_id == sweep.id, Trial.configuration.in_(configurations))
    rows = session.execute(equal.order_by(Trial.number.desc()))
    return {(configuration, first_seed): Twin(number, state) for configuration, first_seed, number, state in rows}


def _why_not_twice(twin: Twin) -> str:
    if twin.state in _CAN_BE_RETRIED:
        return f"trial {twin.number} has these parameters and seeds and {_CAN_BE_RETRIED[twin.state]}: retry that one"
    return f"trial {twin.number} has these parameters and seeds already"


def _longer_params(trial: Trial, epochs: int) -> dict[str, Any]:
    return {**(trial.params or {}), "epochs": epochs}


def _configuration(trial: Trial, epochs: int) -> str:
    return trial_rows.configuration(_longer_params(trial, epochs))


def _add(session: Session, sweep: Sweep, trials: Sequence[Trial], epochs: int) -> list[Trial]:
    """Queues a longer trial for each, with the curves and the checkpoint of the other one where that is kept."""
    if not trials:
        return []
    first_number = sweep_row.next_number(session, sweep, len(trials))
    longer_trials = [_longer(sweep, trial, number, epochs) for number, trial in enumerate(trials, first_number)]
    sweep_row.reopen(session, sweep)
    session.add_all(longer_trials)
    session.flush()
    numbers = [trial.number for trial in longer_trials]
    go = f"trial {trials[0].number} goes" if len(trials) == 1 else f"{len(trials)} of the best go"
    words = f"Queued {sweep_log.trials_text(numbers)}: {go} on to {plural(epochs, 'epoch')}"
    sweep_log.note(session, sweep.id, LogEvent.trials, words, numbers)
    places = {"ids": [trial.id for trial in longer_trials], "sources": [trial.id for trial in trials]}
    for statement in (_COPY_CHECKPOINTS, _COPY_EPOCHS, _COPY_DIAGNOSTICS, _GO_ON):
        session.execute(statement, places)
    return longer_trials


def _longer(sweep: Sweep, trial: Trial, number: int, epochs: int) -> Trial:
    params = _longer_params(trial, epochs)
    return Trial(
        sweep_id=sweep.id,
        number=number,
        params=params,
        first_seed=trial.first_seed,
        bracket=trial.bracket,
        devices=trial.devices,
        enqueued=True,
        continued_from=trial.number,
        **trial_rows.trial_size(sweep, params),
    )


_COPIES = "unnest(CAST(:ids AS bigint[]), CAST(:sources AS bigint[])) AS copy(id, source)"
_WITH_CHECKPOINT = f"{_COPIES} JOIN checkpoints c ON c.trial_id = copy.id"

# each of these does nothing where the checkpoint was not kept: the trial begins anew, with the same seeds
_COPY_CHECKPOINTS = text(f"""
    INSERT INTO checkpoints (trial_id, epochs_done, data, devices)
    SELECT copy.id, c.epochs_done, c.data, c.devices
    FROM {_COPIES} JOIN checkpoints c ON c.trial_id = copy.source AND c.is_final
""")

_COPY_EPOCHS = text(copy_rows(Epoch, _WITH_CHECKPOINT))

_COPY_DIAGNOSTICS = text(copy_rows(Diagnostics, _WITH_CHECKPOINT))

_GO_ON = text(f"""
    UPDATE trials t
    SET epochs_done = c.epochs_done, epochs_trained = (SELECT max(epoch) FROM epochs e WHERE e.trial_id = t.id)
    FROM {_WITH_CHECKPOINT} WHERE t.id = copy.id
""")
