"""A sweep's trials through a lens: which are in sight, what is left out, the best of them, and pages of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import schemas
from app.charts.configurations import Configuration, best_configuration, run_count
from app.charts.lens import WHOLE, Lens
from app.charts.lens.metric import LAST
from app.charts.rows import SweepRow, TrialRow
from app.db.tables import Run, Sweep, Trial
from app.domain.tasks import TASKS
from app.lifecycle import sweep_row
from app.queries.chart_rows import measured_sweep, seen_runs, trial_rows
from app.queries.lens.trial_metrics import Mean, metric_means, through_metric
from app.queries.trials import members_listed, metric_of, trials_of_numbers

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
    lens: Lens = WHOLE
    """What they are seen through."""

    @cached_property
    def best(self) -> Configuration | None:
        """The configuration with the best mean of those in sight."""
        return best_configuration(self.sweep, self.trials)

    @property
    def best_runs(self) -> int:
        """How many runs that mean is over."""
        return run_count(self.sweep, self.best) if self.best else 0

    def metric_means(self, session: Session, sweep: Sweep, trials: Sequence[TrialRow], name: str) -> Mapping[int, Mean]:
        """What these of the trials in sight came to in a metric, by number."""
        return metric_means(session, sweep, trials, name, self.lens.metric, valued_in=self.sweep.objective.metric)


def trials_in_sight(session: Session, sweep: Sweep, lens: Lens) -> TrialsInSight:
    """The trials in sight, excluded ones among them: these are in no chart's mean, but have a row in tables."""
    row = measured_sweep(session, sweep, include_excluded=True)
    all_trials = trial_rows(session, sweep.id, include_excluded=True, runs=seen_runs("pooled", lens))
    row, trials = through_metric(session, sweep, row, all_trials, lens)
    without_value = len(all_trials) - len(trials)
    sight = lens.sight(row, trials)
    words = f"{without_value:,} without such an epoch"
    left_out = [*([words] if without_value else []), *sight.left_out]
    return TrialsInSight(row, sight.trials, len(all_trials), left_out, lens)


def list_in_sight(
    session: Session, sweep_id: int, in_sight: TrialsInSight, *, order_by: str, limit: int, skip: int
) -> schemas.Page[schemas.TrialOut]:
    """A page of the trials in sight, with their values through the lens.

    Those of one configuration stand together and count once, at the place of the first one, or of their mean; of very
    many of them the first are listed.
    """
    groups: dict[object, list[TrialRow]] = {}
    for trial in in_sight.trials:
        groups.setdefault(trial.configuration or trial.number, []).append(trial)
    sweep = sweep_row.get(session, sweep_id)
    ordered = _ordered(list(groups.values()), order_by, _figures(session, sweep, in_sight, order_by))
    members = members_listed(sweep.seeds, limit)
    rows = {trial.number: trial for group in ordered[skip : skip + limit] for trial in group[:members]}
    items = trials_of_numbers(session, sweep_id, list(rows))
    if not in_sight.lens.is_of_own_values:
        items = [_through_lens(item, rows[item.number]) for item in items]
    if in_sight.lens.metric != LAST:
        items = _with_metrics(session, sweep, items, rows, in_sight)
    return schemas.Page(items=items, next=str(skip + limit) if len(ordered) > skip + limit else None)


def _figures(session: Session, sweep: Sweep, in_sight: TrialsInSight, order_by: str) -> Mapping[int, float]:
    """What trials are ordered by, by number, where that is their time or a metric."""
    if order_by.removeprefix("-") == "seconds":
        return _seconds(session, sweep.id)
    if name := metric_of(order_by):
        means = in_sight.metric_means(session, sweep, in_sight.trials, name)
        return {number: mean.value for number, mean in means.items()}
    return {}


def _with_metrics(
    session: Session,
    sweep: Sweep,
    items: Sequence[schemas.TrialOut],
    rows: Mapping[int, TrialRow],
    in_sight: TrialsInSight,
) -> list[schemas.TrialOut]:
    """The trials with all their metrics through the lens, as their values are; those that train have none yet."""
    names = TASKS[sweep.task].metrics_of(sweep.dataset_info.target)
    means = {name: in_sight.metric_means(session, sweep, list(rows.values()), name) for name in names}
    return [
        item.model_copy(
            update={
                "metrics": schemas.Metrics(
                    **{name: column[item.number].value for name, column in means.items() if item.number in column}
                )
            }
        )
        for item in items
    ]


def _seconds(session: Session, sweep_id: int) -> dict[int, float]:
    """The time of each trial's runs."""
    spent = select(Trial.number, func.sum(Run.seconds).label("seconds")).join(Run).where(Trial.sweep_id == sweep_id)
    return {row.number: row.seconds for row in session.execute(spent.group_by(Trial.number))}


def _ordered(groups: list[list[TrialRow]], order_by: str, figures: Mapping[int, float]) -> list[list[TrialRow]]:
    """By what a configuration has in a column; what has nothing comes last in both directions."""
    column, descending = order_by.removeprefix("-"), order_by.startswith("-")
    keys = [(_key(group, column, figures), group) for group in groups]
    with_key = sorted((pair for pair in keys if pair[0] is not None), key=lambda pair: pair[0], reverse=descending)
    return [group for _, group in (*with_key, *(pair for pair in keys if pair[0] is None))]


def _key(group: Sequence[TrialRow], column: str, figures: Mapping[int, float]) -> Any:
    """The time of all trials of a configuration, the mean of those that are not excluded, or what the first one has.

    A configuration of which a run diverged has no mean.
    """
    if column == "seconds":
        seconds = [figures[trial.number] for trial in _without_copies(group) if trial.number in figures]
        return sum(seconds) if seconds else None
    if column == "value" and any(trial.without_mean for trial in group):
        return None
    if column == "value" or metric_of(column):
        counted = [trial for trial in _without_copies(group) if not trial.excluded]
        of_trials = [trial.value if column == "value" else figures.get(trial.number) for trial in counted]
        values = [value for value in of_trials if value is not None]
        return sum(values) / len(values) if values else None
    key = getattr(group[0], column) if column in COLUMNS else group[0].params.get(column.removeprefix("params."))
    return str(key) if isinstance(key, str | list | tuple) else key


def _without_copies(group: Sequence[TrialRow]) -> list[TrialRow]:
    """Trials of a configuration without those that took over another one's results, and so have its seeds."""
    first_trials: dict[object, TrialRow] = {}
    for trial in sorted(group, key=lambda trial: trial.excluded):
        first_trials.setdefault(tuple(sorted(run.seed for run in trial.runs)) or trial.number, trial)
    return list(first_trials.values())


def _through_lens(item: schemas.TrialOut, row: TrialRow) -> schemas.TrialOut:
    """The trial with the values that its runs have through the lens; a size is the same for all of them."""
    by_seed = {run.seed: run.value for run in row.runs}
    runs = [
        run if run.value is None else run.model_copy(update={"value": by_seed.get(run.seed, row.value)})
        for run in item.runs
    ]
    return item.model_copy(update={"value": row.value, "std": row.std, "runs": runs})
