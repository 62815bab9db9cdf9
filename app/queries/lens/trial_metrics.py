"""The metrics of trials: means over their runs of what epochs recorded, of times, and the sizes of networks."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy.orm import Session

from app.charts.lens import Lens, MetricLens, of_objective
from app.charts.rows import SweepRow, TrialRow
from app.db.tables import Sweep
from app.domain.configuration import LAYER_WIDTHS, MLPConfig
from app.domain.objectives import Objective
from app.domain.tasks import METRICS
from app.queries.binary import read_binary
from app.queries.lens.run_values import with_values

_SIZING = ("hidden_units", "depth", "hidden_layers", "batch_norm", *LAYER_WIDTHS)  # what a network's size goes by


class Mean(NamedTuple):
    """A trial's mean over its runs, and their sample standard deviation."""

    value: float
    std: float | None


def with_metrics(
    session: Session, sweep: Sweep, trials: Sequence[TrialRow], names: Sequence[str], lens: MetricLens
) -> list[TrialRow]:
    """The trials with their values in these metrics; those that lack one are as they were."""
    columns = [metric_means(session, sweep, trials, name, lens) for name in names]
    shared_numbers = set.intersection(*(set(column) for column in columns))
    return [
        trial._replace(
            values=tuple(column[trial.number].value for column in columns),
            stds=tuple(column[trial.number].std for column in columns),
        )
        if trial.number in shared_numbers
        else trial
        for trial in trials
    ]


def metric_means(
    session: Session, sweep: Sweep, trials: Sequence[TrialRow], name: str, lens: MetricLens, *, valued_in: str = ""
) -> Mapping[int, Mean]:
    """What each trial that has ended with a value came to in this metric, by number, seen through the lens.

    The trials have their values through the lens already: in the metric `valued_in`, or else in the sweep's own.
    """
    if name == "seconds":
        return _seconds(session, sweep)
    if name == "parameters":
        size = _size_of(sweep)
        return {trial.number: Mean(size(trial), None) for trial in trials if trial.params}
    if name != (valued_in or sweep.metric):
        trials = with_values(session, sweep, trials, lens, Objective(name, METRICS[name].maximize))
    return {trial.number: Mean(trial.value, trial.std) for trial in trials if trial.value is not None}


def through_metric(
    session: Session, sweep: Sweep, row: SweepRow, trials: Sequence[TrialRow], lens: Lens
) -> tuple[SweepRow, list[TrialRow]]:
    """The sweep and its trials with the values that the lens wants: in which objective, and of which epochs."""
    objective = lens.objective
    if objective is None:
        if lens.is_of_own_values:
            return row, [*trials]
        return row, with_values(session, sweep, trials, lens.metric, sweep.first_objective)
    if objective.metric in METRICS:
        valued_trials = with_values(session, sweep, trials, lens.metric, objective)
    else:
        means = metric_means(session, sweep, trials, objective.metric, lens.metric)
        valued_trials = [
            trial._replace(value=means[trial.number].value, std=means[trial.number].std, runs=())
            if trial.value is not None
            else trial
            for trial in trials
            if trial.value is None or trial.number in means
        ]
    return of_objective(row, valued_trials, objective), valued_trials


def _seconds(session: Session, sweep: Sweep) -> Mapping[int, Mean]:
    return {number: Mean(value, std) for number, value, std in read_binary(session, _SECONDS, {"sweep": sweep.id})}


def _size_of(sweep: Sweep) -> Callable[[TrialRow], float]:
    """Weights and biases of a trial's network, counted once for each shape of one."""
    info = sweep.dataset_info

    @lru_cache(4096)
    def count(*settings: tuple[str, object]) -> float:
        params = {name: list(value) if isinstance(value, tuple) else value for name, value in settings}
        return float(MLPConfig.from_params(params).parameter_count(*info.shape))

    def size(trial: TrialRow) -> float:
        params = trial.params
        named_values = ((name, params[name]) for name in _SIZING if name in params)
        return count(*((name, tuple(value) if isinstance(value, list) else value) for name, value in named_values))

    return size


_SECONDS = """
    SELECT t.number, avg(r.seconds), stddev_samp(r.seconds) FROM trials t JOIN runs r ON r.trial_id = t.id
    WHERE t.sweep_id = %(sweep)s AND t.value IS NOT NULL GROUP BY t.number
"""
