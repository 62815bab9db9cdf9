"""Reruns: configurations are trained again with further seeds, to tell good from lucky."""

import math
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import trial_rows
from app.db.tables import Sweep, Trial
from app.domain.people.log_events import LogEvent
from app.domain.states import TrialState
from app.errors import ConflictError
from app.lifecycle import best, sweep_log, sweep_row
from app.schemas import RerunTop


def rerun_top(session: Session, sweep_id: int, body: RerunTop) -> Sweep:
    """Queues new trials of the best configurations, ahead of the sampler's, with seeds that no trial of theirs has had.

    Each trial has as many runs as every trial of the sweep, so there are as many trials a configuration as it takes.
    Raises ConflictError where no trial is complete, or for a sweep that is stopping or full.
    """
    sweep = sweep_row.get(session, sweep_id, lock=True)
    best_ids = best.top_ids(session, sweep_id, body.k)
    if not best_ids:
        raise ConflictError(f"Sweep {sweep_id} is {sweep.state} and has no complete trial yet that could run again.")
    _queue(
        session,
        sweep,
        [session.get_one(Trial, trial_id) for trial_id in best_ids],
        body.seeds,
        "the best configurations",
    )
    return sweep


def rerun_trial(session: Session, sweep_id: int, number: int, seeds: int) -> list[int]:
    """Queues new trials of this one's configuration in the same way, and returns their numbers.

    Raises ConflictError for a trial without a result, and for a sweep that is stopping or full.
    """
    sweep = sweep_row.get(session, sweep_id, lock=True)
    trial = sweep_row.get_trial(session, sweep_id, number)
    if trial.state != TrialState.complete:
        raise ConflictError(
            f"Trial {number} of sweep {sweep_id} is {trial.state}: only a complete one is trained again with "
            "further seeds."
        )
    return _queue(session, sweep, [trial], seeds, f"the configuration of trial {number}")


def _queue(session: Session, sweep: Sweep, trials: Sequence[Trial], seeds: int, subject: str) -> list[int]:
    """Adds as many trials of each of these configurations, the `subject` of the log, as so many further seeds take."""
    times = math.ceil(seeds / sweep.seeds)
    first = number = sweep_row.next_number(session, sweep, len(trials) * times)
    sweep_row.reopen(session, sweep)
    for trial in trials:
        next_seed = _last_first_seed(session, trial) + sweep.seeds
        session.add_all(
            trial_rows.rerun_of(trial, number + index, next_seed + index * sweep.seeds, enqueued=True)
            for index in range(times)
        )
        number += times
    session.flush()
    numbers = [*range(first, number)]
    words = f"Queued {sweep_log.trials_text(numbers)} of {subject}, with further seeds"
    sweep_log.note(session, sweep.id, LogEvent.trials, words, numbers)
    sweep_row.touch(session, sweep)
    return numbers


def _last_first_seed(session: Session, trial: Trial) -> int:
    """The highest first seed of the trials of this one's configuration, whatever became of them."""
    trial.configuration = trial.configuration or f"trial {trial.number}"  # of an imported sweep it may not be known
    session.flush()
    same = select(func.max(Trial.first_seed)).where(
        Trial.sweep_id == trial.sweep_id, Trial.configuration == trial.configuration
    )
    return session.scalars(same).one() or 0
