"""New rows of trials, and the columns that follow from parameters."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db.tables import Sweep, Trial
from app.domain.space import Constraints, parse_constraints, parse_space
from app.domain.sweep_setup import SweepSetup
from app.domain.tasks import TASKS


class NewTrial(NamedTuple):
    """What is stored of a trial with parameters, all of it known before anything is locked."""

    params: str
    """As JSON."""
    reason: str | None
    """Why it is infeasible."""
    cost: float
    epochs_total: int
    configuration: str


def new_trials(
    sweep: Sweep, cells: Sequence[Mapping[str, Any]], reasons: Sequence[str | None] | None = None
) -> list[NewTrial]:
    """The trials of these cells; 100,000 of them take seconds.

    They are infeasible where they break a constraint, or for the `reasons` that are given. What is infeasible costs
    nothing.
    """
    if reasons is None:
        reasons = constraints_of(sweep).broken_by_all(cells)
    return [_new_trial(sweep, cell, reason) for cell, reason in zip(cells, reasons, strict=True)]


def insert_trials(session: Session, sweep_id: int, numbers: Sequence[int], trials: Sequence[NewTrial] = ()) -> None:
    """Inserts trials of these numbers in one statement; those behind the given ones wait without parameters."""
    columns = {name: [getattr(trial, name) for trial in trials] for name in NewTrial._fields}
    session.execute(_INSERT, {"sweep": sweep_id, "numbers": list(numbers)} | columns)


def rerun_of(trial: Trial, number: int, first_seed: int, **columns: Any) -> Trial:
    """A new trial of the same configuration, with the seeds from this one on."""
    return Trial(
        sweep_id=trial.sweep_id,
        number=number,
        params=trial.params,
        cost=trial.cost,
        epochs_total=trial.epochs_total,
        configuration=trial.configuration,
        first_seed=first_seed,
        **columns,
    )


def _new_trial(sweep: Sweep, cell: Mapping[str, Any], reason: str | None) -> NewTrial:
    size: dict[str, Any] = trial_size(sweep, cell)
    if reason is not None:
        size |= {"cost": 0.0, "epochs_total": 0}
    return NewTrial(json.dumps(cell), reason, **size)


def constraints_of(sweep: Sweep | SweepSetup) -> Constraints:
    """The sweep's constraints, which were checked when it was posted."""
    return parse_constraints(sweep.constraints, parse_space(sweep.space, sweep.task), sweep.dataset_info.shape)


def trial_size(sweep: Sweep, params: Mapping[str, Any]) -> dict[str, object]:
    """The columns of a trial that follow from its parameters."""
    task = TASKS[sweep.task]
    return {
        "cost": task.cost(params, sweep.dataset_info) * sweep.seeds,
        "epochs_total": task.epochs(params) * sweep.seeds,
        "configuration": configuration(params, sweep.task),
    }


def configuration(params: Mapping[str, Any], task: str = "train_mlp") -> str:
    """A hash that is equal for equal configurations: 1 and 1.0 are, and the default and one left out.

    Only what is not the default counts, so that a hyperparameter of a later version changes no hash that is stored.
    """
    defaults = _defaults(task)
    all_params = TASKS[task].complete(params) | {"hidden_layers": params.get("hidden_layers")}
    comparable = {
        name: float(value) if type(value) is int else value
        for name, value in all_params.items()
        if value != defaults.get(name)
    }
    return hashlib.sha256(json.dumps(comparable, sort_keys=True).encode()).hexdigest()[:32]


@cache
def _defaults(task: str) -> Mapping[str, Any]:
    return TASKS[task].complete({}) | {"hidden_layers": None}


_INSERT = text("""
    INSERT INTO trials (sweep_id, number, params, cost, epochs_total, configuration, reason, state, finished_at)
    SELECT :sweep, number, CAST(params AS json), cost, epochs_total, configuration, reason,
           CAST(CASE WHEN reason IS NULL THEN 'waiting' ELSE 'infeasible' END AS trial_state),
           CASE WHEN reason IS NOT NULL THEN clock_timestamp() END
    FROM unnest(CAST(:numbers AS int[]), CAST(:params AS text[]), CAST(:cost AS float8[]),
                CAST(:epochs_total AS int[]), CAST(:configuration AS text[]), CAST(:reason AS text[]))
         AS given(number, params, cost, epochs_total, configuration, reason)
""")
