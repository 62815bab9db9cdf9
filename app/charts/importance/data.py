"""What the chart of importance shows: shares of the variance with their intervals, or why there are none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.charts.configurations import Configuration, configurations, left_out_note
from app.charts.forest.bins import Binned, Floats
from app.charts.forest.columns import CONFIGURATIONS, forest_columns, forest_obstacle
from app.charts.importance.shares import RESAMPLES, Shares, shares
from app.charts.labels import varying
from app.charts.marks import excluded_note
from app.charts.rows import SweepRow, TrialRow
from app.charts.select import finished, pruned, thinned
from app.charts.titles import drawn_note, importance_title, subtitle
from app.domain.formatting import percent, plural

INTERVAL = (0.05, 0.95)  # quantiles over the resamples
TOGETHER, CHANCE = "only together, or noise", "random numbers"


@dataclass(frozen=True)
class ImportanceOptions:
    """What counts."""

    close: bool = False  # whether values worse than the median count as the median


class Share(NamedTuple):
    """A share of the variance with its interval."""

    name: str
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class ImportanceData:
    """What the chart shows."""

    title: str
    subtitle: str
    single: Sequence[Share]  # by hyperparameter, the largest first
    comparisons: Sequence[Share]  # what none explains alone, and what random numbers seem to explain
    configurations: int
    predicted: float  # share of the variance of unseen ones
    reason: str  # why there are no shares, or nothing


def importance_data(sweep: SweepRow, trials: Sequence[TrialRow], options: ImportanceOptions) -> ImportanceData:
    """What the chart shows, of the configurations of complete trials, each once however often it was trained.

    Those that were pruned or failed have no value to compare.
    """
    items = configurations(finished(trials))
    drawn_items = thinned(items, CONFIGURATIONS)
    names = varying([item.trial for item in drawn_items])
    reason = forest_obstacle(names, drawn_items)
    title = importance_title(sweep.objective.metric)
    left_out = len(pruned(trials))
    notes = [
        f"{plural(len(drawn_items), 'configuration')}; intervals: 90 % of {RESAMPLES} resamples",
        drawn_note(len(drawn_items), len(items), "configurations"),
        f"{plural(left_out, 'pruned trial')} left out" if left_out else "",
        left_out_note(trials),
        excluded_note(sweep),
        "close-up: worse than the median counts as the median" if options.close else "",
    ]
    if reason:
        return ImportanceData(title, subtitle(sweep, *notes), (), (), len(drawn_items), 0.0, reason)
    measured = shares(*_columns(sweep, names, drawn_items, options))
    single = [_share(name, measured.single[:, index]) for index, name in enumerate(names)]
    return ImportanceData(
        title,
        subtitle(sweep, *notes, _quality_note(measured)),
        sorted(single, key=lambda item: -item.share),
        [_share(TOGETHER, measured.together), _share(CHANCE, measured.chance)],
        len(drawn_items),
        measured.predicted,
        "",
    )


def _columns(
    sweep: SweepRow, names: Sequence[str], items: Sequence[Configuration], options: ImportanceOptions
) -> tuple[list[Binned], Floats]:
    """The hyperparameters in bins, and the means."""
    values = np.array([item.mean for item in items])
    if options.close:
        bound = np.maximum if sweep.objective.maximize else np.minimum
        values = bound(values, np.median(values))
    return forest_columns(sweep, names, items, values), values


def _quality_note(measured: Shares) -> str:
    """How far the forest is to be trusted."""
    if measured.predicted < 0.2:
        return "too noisy to trust: a forest hardly predicts unseen ones"
    return f"a forest explains {percent(measured.predicted)} of the variance of unseen ones"


def _share(name: str, resamples: Floats) -> Share:
    low, high = np.quantile(resamples, INTERVAL)
    return Share(name, float(resamples.mean()), float(low), float(high))
