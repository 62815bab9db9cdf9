"""The Pareto fronts of sweeps with several objectives, as their trials stand."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from app.models import Sweep, Trial, TrialState
from app.pareto import front


def fronts(session: Session, sweeps: Sequence[Sweep]) -> dict[int, list[int]]:
    """Numbers of the trials on the front of each of these sweeps that has several objectives."""
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
    rows: dict[int, list[Row[Any]]] = {sweep_id: [] for sweep_id in several}
    for row in session.execute(complete.order_by(Trial.number)):
        rows[row.sweep_id].append(row)
    return {sweep_id: _front(several[sweep_id], of_it) for sweep_id, of_it in rows.items()}


def _front(sweep: Sweep, rows: Sequence[Row[Any]]) -> list[int]:
    directions = [sweep.direction, *(one["direction"] for one in sweep.objectives)]
    values = [[row.value, *row.other_values] for row in rows]
    return [rows[index].number for index in front(values, [direction == "maximize" for direction in directions])]
