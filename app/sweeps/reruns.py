"""Training the best configurations of a sweep again, with further seeds, to see which of them are better than lucky."""

import math

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db.tables import Sweep, Trial
from app.errors import ConflictError
from app.lifecycle import best, sweep_row
from app.schemas import RerunTop


def rerun_top(session: Session, sweep_id: int, wanted: RerunTop) -> Sweep:
    """Queues new trials of the best configurations, ahead of the sampler's, with seeds that no trial of theirs has had.

    Each trial has as many runs as every trial of the sweep, so there are as many trials a configuration as it takes.
    Raises ConflictError where no trial is complete, or for a sweep that is stopping or full.
    """
    sweep = sweep_row.get(session, sweep_id, lock=True)
    chosen = session.scalars(best.TOP, {"sweep": sweep_id, "k": wanted.k}).all()
    if not chosen:
        raise ConflictError(f"Sweep {sweep_id} is {sweep.state} and has no complete trial yet that could run again.")
    times = math.ceil(wanted.seeds / sweep.seeds)
    number = sweep_row.next_number(session, sweep, len(chosen) * times)
    sweep_row.reopen(session, sweep)
    for trial_id in chosen:
        trial = session.get_one(Trial, trial_id)
        beyond = _seeds_used(session, trial) + sweep.seeds
        session.add_all(
            _again(trial, number + index, first_seed=beyond + index * sweep.seeds) for index in range(times)
        )
        number += times
    session.flush()
    sweep_row.touch(session, sweep)
    return sweep


def _seeds_used(session: Session, trial: Trial) -> int:
    """The highest first seed of the configuration's trials, whatever became of them."""
    trial.configuration = trial.configuration or f"trial {trial.number}"  # of an imported sweep it may not be known
    session.flush()
    same = select(func.max(Trial.first_seed)).where(
        Trial.sweep_id == trial.sweep_id, Trial.configuration == trial.configuration
    )
    return session.scalars(same).one() or 0


def _again(trial: Trial, number: int, first_seed: int) -> Trial:
    return Trial(
        sweep_id=trial.sweep_id,
        number=number,
        params=trial.params,
        cost=trial.cost,
        epochs_total=trial.epochs_total,
        configuration=trial.configuration,
        first_seed=first_seed,
        enqueued=True,
    )
