"""The partial dependence of a sampled sweep on one hyperparameter, or why there is none."""

import math
from collections.abc import Sequence

import numpy as np

from app.charts.configurations import Configuration
from app.charts.effect.parts import Drawing, Expected, Kind
from app.charts.forest.bins import Binned
from app.charts.forest.columns import CONFIGURATIONS, forest_columns, forest_obstacle, ordered_bins
from app.charts.forest.dependence import Dependence, dependence
from app.charts.select import thinned

NOTE = "line: what a forest expects, the others as tried;<br>band: 90 % of 20 resamples; thin: single settings"


def dependence_of(drawing: Drawing, kind: Kind, items: Sequence[Configuration]) -> tuple[Expected | None, str]:
    """What a forest of these configurations expects, and what the subtitle says of it."""
    if not drawing.options.dependence:
        return None, ""
    if kind != "sampled":
        return None, "no partial dependence: nothing varies that the lines do not show"
    drawn_items = thinned(items, CONFIGURATIONS)
    obstacle = forest_obstacle(drawing.names, drawn_items)
    if obstacle or drawing.options.x not in drawing.names:
        return None, f"no partial dependence: {obstacle or 'the trials have one value of it'}"
    values = np.array([item.mean for item in drawn_items])
    columns = forest_columns(drawing.sweep, drawing.names, drawn_items, values)
    feature = drawing.names.index(drawing.options.x)
    return _expected(drawing, columns[feature], dependence(columns, values, feature)), NOTE


def _expected(drawing: Drawing, column: Binned, measured: Dependence) -> Expected:
    order = ordered_bins(drawing.axis, column)
    rows = [
        [_or_none(row[index]) for index, _ in order]
        for row in (measured.mean, measured.low, measured.high, *measured.lines)
    ]
    return Expected([place for _, place in order], rows[0], rows[1], rows[2], rows[3:])


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 5)
