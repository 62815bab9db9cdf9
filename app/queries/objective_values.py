"""Sweeps with several objectives: their trials' values, the spread over runs, and the Pareto front."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from app.charts.rows import TrialRow
from app.db.tables import Sweep, Trial
from app.domain.comparisons.pareto import front
from app.domain.states import TrialState
from app.domain.tasks.train_mlp import EPOCH_METRICS


def fronts(session: Session, sweeps: Sequence[Sweep]) -> dict[int, list[int]]:
    """The numbers of the trials on the front, by sweep, of those of these sweeps that have several objectives."""
    several = {sweep.id: sweep for sweep in sweeps if sweep.objectives}
    if not several:
        return {}
    columns = (Trial.sweep_id, Trial.number, Trial.value, Trial.other_values)
    complete = select(*columns).where(
        Trial.sweep_id.in_(several),
        Trial.state == TrialState.complete,
        ~Trial.excluded,
        Trial.other_values.is_not(None),
    )
    rows: dict[int, list[Any]] = {sweep_id: [] for sweep_id in several}
    for row in session.execute(complete.order_by(Trial.number)):
        rows[row.sweep_id].append(row)
    return {sweep_id: _front(several[sweep_id], its_rows) for sweep_id, its_rows in rows.items()}


class FrontTrial(NamedTuple):
    """A trial on the Pareto front, with its value in every objective."""

    number: int
    values: Sequence[float]


def front_trials(session: Session, sweep_id: int, numbers: Sequence[int]) -> list[FrontTrial]:
    """The trials with these numbers, which are on the front."""
    query = select(Trial.number, Trial.value, Trial.other_values)
    query = query.where(Trial.sweep_id == sweep_id, Trial.number.in_(numbers))
    return [
        FrontTrial(number, (value, *other_values))
        for number, value, other_values in session.execute(query)
        if value is not None and other_values is not None
    ]


def with_objectives(session: Session, sweep: Sweep, trials: Sequence[TrialRow]) -> list[TrialRow]:
    """The trials with their value in every objective, and with the standard deviations over their runs."""
    rows = {row.number: row for row in session.execute(_SPREAD, {"sweep": sweep.id})}
    metrics = [objective["metric"] for objective in sweep.objectives]
    return [
        trial._replace(
            values=(trial.value, *row.other_values),
            stds=(trial.std, *(getattr(row, metric, None) for metric in metrics)),
        )
        if (row := rows.get(trial.number)) is not None and trial.value is not None
        else trial
        for trial in trials
    ]


def _front(sweep: Sweep, rows: Sequence[Row[Any]]) -> list[int]:
    values = [[row.value, *row.other_values] for row in rows]
    return [rows[index].number for index in front(values, [objective.maximize for objective in sweep.all_objectives])]


# The last epoch of each run is one step in the primary key's index.
_SPREAD = text(f"""
    SELECT t.number, t.other_values, stddev_samp(r.seconds) AS seconds,
           {", ".join(f"stddev_samp(e.{name}) AS {name}" for name in EPOCH_METRICS)}
    FROM trials t JOIN runs r ON r.trial_id = t.id, LATERAL (
        SELECT * FROM epochs WHERE trial_id = r.trial_id AND seed = r.seed ORDER BY epoch DESC LIMIT 1
    ) AS e
    WHERE t.sweep_id = :sweep AND t.state = 'complete' AND t.other_values IS NOT NULL GROUP BY t.id
""")
