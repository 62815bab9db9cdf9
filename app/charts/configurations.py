"""Configurations as charts draw them: the runs of all their trials, each once, with their mean and their spread."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from app.charts.rows import RunRow, SweepRow, TrialRow
from app.charts.select import Scored, count_failed, finished
from app.charts.titles import failed_note
from app.domain.formatting import plural

ONLY_RUN = -1  # the seed of what stands for the runs of a trial where those are not known


class Configuration(NamedTuple):
    """One configuration, by its first trial, and the runs of all its trials."""

    trial: TrialRow
    runs: Sequence[RunRow]  # with a value, one for each seed
    mean: float
    std: float | None  # sample standard deviation; None for a single run

    @property
    def values(self) -> list[float]:
        """The values of the runs."""
        return [run.value for run in self.runs if run.value is not None]


class Spread(NamedTuple):
    """An error bar: how far it reaches below and above."""

    below: float
    above: float


def configurations(scored: Sequence[Scored]) -> list[Configuration]:
    """The configurations of complete trials that have a mean, by the numbers of their first trials.

    A trial that took over the results of another one has the same seeds, and its runs count once.
    """
    trials: dict[str, list[Scored]] = {}
    for item in scored:
        if not item.trial.without_mean:
            trials.setdefault(item.trial.configuration or f"trial {item.trial.number}", []).append(item)
    return [_configuration(same_trials) for same_trials in trials.values()]


def best_configuration(sweep: SweepRow, trials: Sequence[TrialRow]) -> Configuration | None:
    """The one with the best mean, of equals that with the lowest number, or None."""
    return min(
        configurations(finished(trials)),
        key=lambda item: sweep.objective.rank(item.mean, item.trial.number),
        default=None,
    )


def run_count(sweep: SweepRow, item: Configuration) -> int:
    """How many runs its mean is over."""
    return sum(sweep.seeds if run.seed == ONLY_RUN else 1 for run in item.runs)


def left_out_note(trials: Sequence[TrialRow]) -> str:
    """`2 failed trials left out<br>1 complete trial left out: another seed diverged`, or nothing."""
    diverged = sum(item.trial.without_mean for item in finished(trials))
    words = f"{plural(diverged, 'complete trial')} left out: another seed diverged" if diverged else ""
    return "<br>".join(filter(None, (failed_note(count_failed(trials)), words)))


def spread(metric: str, mean: float, std: float | None) -> Spread:
    """The bar of one standard deviation, cut where no value can be: an accuracy lies in [0, 1], a loss is positive.

    An R² is at most 1, and has no lower end.
    """
    if std is None:
        return Spread(0.0, 0.0)
    room = 1.0 - mean if metric.endswith(("accuracy", "r2")) else math.inf
    below = std if metric.endswith("r2") else max(0.0, min(std, mean))
    return Spread(below, max(0.0, min(std, room)))


def error_bars(bars: Sequence[Spread | None]) -> dict[str, object]:
    """The bars of a trace's points as plotly takes them."""
    below, above = zip(*(bar or Spread(0.0, 0.0) for bar in bars), strict=True)
    return {"array": list(above), "arrayminus": list(below), "symmetric": False, "thickness": 1.2, "width": 3}


def mean_and_std(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation. (`statistics` takes ten times as long.)"""
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, None
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _configuration(scored: Sequence[Scored]) -> Configuration:
    first, value = scored[0]
    if len(scored) == 1:  # nearly always, and there may be 10,000
        return Configuration(first, first.runs or (RunRow(ONLY_RUN, value),), value, first.std)
    runs: dict[tuple[int, int], RunRow] = {}
    for trial, trial_value in scored:
        if not trial.runs:  # they are not known: the trial's own value counts as a run
            runs[ONLY_RUN, trial.number] = RunRow(ONLY_RUN, trial_value)
        for run in trial.runs:
            runs.setdefault((run.seed, 0), run)
    values = [run.value for run in runs.values() if run.value is not None]
    return Configuration(first, tuple(runs.values()), *mean_and_std(values))
