"""A sweep's trials through a lens: which are in sight, what is left out, the best of them, and pages of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import schemas
from app.charts.configurations import Configuration, configurations
from app.charts.lens import Lens
from app.charts.lens.metric import LAST
from app.charts.rows import SweepRow, TrialRow
from app.charts.select import finished
from app.db.tables import Run, Sweep, Trial
from app.queries.chart_rows import measured_sweep, trial_rows
from app.queries.lens.run_values import with_values
from app.queries.trials import trials_of_numbers

COLUMNS = ("number", "state", "started_at", "finished_at")  # by which tables are ordered, beside value and parameters


@dataclass(frozen=True)
class TrialsInSight:
    """What is in sight of a sweep."""

    sweep: SweepRow
    trials: Sequence[TrialRow]
    total: int
    """Of all that have been drawn or are to come, excluded ones too."""
    left_out: Sequence[str]
    """`12 trials in other states`."""

    @property
    def best(self) -> Configuration | None:
        """The configuration with the best mean of those in sight."""
        return min(
            configurations(finished(self.trials)),
            key=lambda item: self.sweep.objective.rank(item.mean, item.trial.number),
            default=None,
        )


def trials_in_sight(session: Session, sweep: Sweep, lens: Lens) -> TrialsInSight:
    """The trials in sight, excluded ones among them: these are in no chart's mean, but have a row in tables."""
    row = measured_sweep(session, sweep, include_excluded=True)
    all_trials = trial_rows(session, sweep.id, include_excluded=True, runs="pooled")
    trials, without_value = all_trials, 0
    if lens.metric != LAST:
        trials = with_values(session, sweep, all_trials, lens.metric)
        without_value = len(all_trials) - len(trials)
    sight = lens.sight(row, trials)
    words = f"{without_value:,} without such an epoch"
    return TrialsInSight(row, sight.trials, len(all_trials), [*([words] if without_value else []), *sight.left_out])


def list_in_sight(
    session: Session, sweep_id: int, in_sight: TrialsInSight, *, order_by: str, limit: int, skip: int
) -> schemas.Page[schemas.TrialOut]:
    """A page of the trials in sight, with their values through the lens.

    Those of one configuration stand together and count once, at the place of the first one, or of their mean.
    """
    groups: dict[object, list[TrialRow]] = {}
    for trial in in_sight.trials:
        groups.setdefault(trial.configuration or trial.number, []).append(trial)
    seconds = _seconds(session, sweep_id) if order_by.removeprefix("-") == "seconds" else {}
    ordered = _ordered(list(groups.values()), order_by, seconds)
    rows = {trial.number: trial for group in ordered[skip : skip + limit] for trial in group}
    items = [_through_lens(item, rows[item.number]) for item in trials_of_numbers(session, sweep_id, list(rows))]
    return schemas.Page(items=items, next=str(skip + limit) if len(ordered) > skip + limit else None)


def _seconds(session: Session, sweep_id: int) -> dict[int, float]:
    """The time of each trial's runs."""
    spent = select(Trial.number, func.sum(Run.seconds).label("seconds")).join(Run).where(Trial.sweep_id == sweep_id)
    return {row.number: row.seconds for row in session.execute(spent.group_by(Trial.number))}


def _ordered(groups: list[list[TrialRow]], order_by: str, seconds: Mapping[int, float]) -> list[list[TrialRow]]:
    """By a column of the first trial, or the mean value; what has none comes last in both directions."""
    column, descending = order_by.removeprefix("-"), order_by.startswith("-")
    keys = [(_key(group, column, seconds), group) for group in groups]
    with_key = sorted((pair for pair in keys if pair[0] is not None), key=lambda pair: pair[0], reverse=descending)
    return [group for _, group in (*with_key, *(pair for pair in keys if pair[0] is None))]


def _key(group: Sequence[TrialRow], column: str, seconds: Mapping[int, float]) -> Any:
    if column == "seconds":
        return seconds.get(group[0].number)
    if column == "value":
        values = [trial.value for trial in group if trial.value is not None and not trial.excluded]
        return sum(values) / len(values) if values else None
    key = getattr(group[0], column) if column in COLUMNS else group[0].params.get(column.removeprefix("params."))
    return str(key) if isinstance(key, str | list | tuple) else key


def _through_lens(item: schemas.TrialOut, row: TrialRow) -> schemas.TrialOut:
    return item.model_copy(update={"value": row.value, "std": row.std})
