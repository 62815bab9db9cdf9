"""What a sampler is shown: the trials of a sweep as observations, and how many of them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.tables import Trial
from app.domain.objectives import Objective
from app.domain.states import LIVE_TRIALS, TrialState

# Ended trials that a sampler is shown at most; all, where none is named. An ask of TPE costs 0.1 ms for each of them,
# one of a Gaussian process far more: docs/adr/0005-asking-ahead.md has the measurements.
MAX_HISTORY = {"tpe": 256, "gp": 96}


class Observation(NamedTuple):
    """A trial as a sampler sees it."""

    number: int
    state: str
    """One of `TrialState`."""
    params: Mapping[str, Any]
    values: tuple[float, ...] = ()
    """Of the sweep's objectives, in their order; none where the trial has no value."""
    excluded: bool = False
    """Whether it is left out of what the sampler learns from."""


def observations(session: Session, sweep_id: int) -> list[Observation]:
    """All trials with parameters, by number, but those that were cancelled."""
    columns = (Trial.number, Trial.state, Trial.params, Trial.value, Trial.other_values, Trial.excluded)
    query = select(*columns).where(
        Trial.sweep_id == sweep_id, Trial.params.is_not(None), Trial.state != TrialState.cancelled
    )
    return [_observation(row) for row in session.execute(query.order_by(Trial.number))]


def truncate_history(trials: Sequence[Observation], max_ended: int | None, objective: Objective) -> list[Observation]:
    """All trials that are live, and at most so many that have ended, in their order.

    Those are the best quarter of them by the objective, and the newest of the others. None: all of them.
    """
    ended = [trial for trial in trials if trial.state not in LIVE_TRIALS]
    if max_ended is None or len(ended) <= max_ended:
        return list(trials)
    ranked = sorted(
        (trial for trial in ended if trial.values), key=lambda trial: objective.rank(trial.values[0], trial.number)
    )
    best_numbers = {trial.number for trial in ranked[: max_ended // 4]}
    rest_numbers = [trial.number for trial in ended if trial.number not in best_numbers]
    shown_numbers = best_numbers | set(rest_numbers[-(max_ended - len(best_numbers)) :])
    return [trial for trial in trials if trial.number in shown_numbers or trial.state in LIVE_TRIALS]


def _observation(row: Any) -> Observation:
    values = () if row.value is None else (row.value, *(row.other_values or ()))
    return Observation(row.number, row.state, row.params, values, row.excluded)
