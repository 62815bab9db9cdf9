"""The chart of what a forest expects over two hyperparameters, cut where nothing was tried nearby."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from app.charts.axis import AxisPlan, Place, draw_x_axis, draw_y_axis
from app.charts.configurations import Configuration, left_out_note
from app.charts.empty import empty_figure
from app.charts.forest.bins import Floats
from app.charts.forest.columns import CONFIGURATIONS, forest_columns, forest_obstacle, ordered_bins
from app.charts.forest.dependence import dependence_of_two
from app.charts.labels import varying
from app.charts.landscape.plane import POINTS, PlaneOptions, Spot, items_with, plan_of, plane_names, spots
from app.charts.marks import excluded_note
from app.charts.rows import SweepRow, TrialRow
from app.charts.select import finished, thinned
from app.charts.theme import Trace, new_figure, scatter
from app.charts.titles import contour_title, drawn_note, subtitle
from app.charts.value_scale import ValueScale


class ContourData(NamedTuple):
    """What the chart shows."""

    title: str
    subtitle: str
    x: AxisPlan
    y: AxisPlan
    scale: ValueScale
    columns: Sequence[Place]  # in the order of the axis
    rows: Sequence[Place]
    expected: Sequence[Sequence[float | None]]  # by row and column; None where nothing was tried nearby
    spots: Sequence[Spot]
    reason: str  # why there is nothing to show, or nothing


def contour_data(sweep: SweepRow, trials: Sequence[TrialRow], options: PlaneOptions) -> ContourData:
    """What the chart shows, of the configurations of complete trials that have both hyperparameters."""
    scored = finished(trials)
    x, y = plane_names(scored, options, with_y=True)
    all_items = items_with(scored, x, y) if x and y else []
    drawn_items = thinned(all_items, CONFIGURATIONS)
    all_trials = [item.trial for item in all_items]
    names = varying([item.trial for item in drawn_items])
    obstacle = forest_obstacle(names, drawn_items)
    if scored and not {x, y} <= {*names}:
        obstacle = "The trials do not differ in two hyperparameters"
    plans = plan_of(sweep, x, all_trials), plan_of(sweep, y, all_trials)
    columns, rows, expected = _tables(sweep, plans, names, drawn_items) if not obstacle else ([], [], [])
    items = thinned(all_items, POINTS) if not obstacle else []
    notes = (
        "colour: what a forest expects, the others as tried",
        f"points: what was tried<br>{ValueScale(sweep.objective).note}",
        left_out_note(trials),
        excluded_note(sweep),
        drawn_note(len(items), len(all_items), "configurations") if not obstacle else "",
    )
    return ContourData(
        contour_title(sweep.objective.metric),
        subtitle(sweep, *notes),
        plans[0],
        plans[1],
        ValueScale(sweep.objective),
        columns,
        rows,
        expected,
        spots(sweep, plans, items),
        obstacle,
    )


def contour_figure(data: ContourData) -> go.Figure:
    """Levels of colour between ranges, cells where an axis has names, and a small point for each configuration."""
    if data.reason:
        return empty_figure(data.reason, data.title, data.subtitle)
    figure = new_figure(data.title, data.subtitle)
    figure.add_trace(_surface(data))
    figure.add_trace(_spots_trace(data.spots))
    draw_x_axis(figure, data.x)
    draw_y_axis(figure, data.y)
    return figure.update_layout(showlegend=False)


def _tables(
    sweep: SweepRow, plans: tuple[AxisPlan, AxisPlan], names: Sequence[str], items: Sequence[Configuration]
) -> tuple[list[Place], list[Place], list[list[float | None]]]:
    """The places of columns and rows, and what is expected there."""
    values = np.array([item.mean for item in items])
    columns = forest_columns(sweep, names, items, values)
    x, y = (names.index(plan.name) for plan in plans)
    expected: Floats = dependence_of_two(columns, values, x, y)
    across, along = (ordered_bins(plan, columns[index]) for plan, index in zip(plans, (x, y), strict=True))
    table = [[_or_none(expected[row, column]) for column, _ in across] for row, _ in along]
    return [place for _, place in across], [place for _, place in along], table


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _surface(data: ContourData) -> Trace:
    shown_values = [value for row in data.expected for value in row if value is not None]
    ticks = data.scale.ticks(shown_values)
    by_name = "category" in (data.x.scale, data.y.scale)
    kind: Trace = {"type": "heatmap"} if by_name else {"type": "contour", "line": {"width": 0.5}, "connectgaps": False}
    return kind | {
        "x": list(data.columns),
        "y": list(data.rows),
        "z": [[None if value is None else round(data.scale.place(value), 5) for value in row] for row in data.expected],
        "text": [["" if value is None else f"{value:.4f}" for value in row] for row in data.expected],
        "colorscale": "Cividis",
        "colorbar": {"thickness": 12, "outlinewidth": 0, **ticks},
        "hovertemplate": "expected at %{x:.4g}, %{y:.4g}: <b>%{text}</b><extra></extra>"
        if not by_name
        else "expected at %{x}, %{y}: <b>%{text}</b><extra></extra>",
    }


def _spots_trace(drawn_spots: Sequence[Spot]) -> Trace:
    return scatter(
        x=[spot.x for spot in drawn_spots],
        y=[spot.y for spot in drawn_spots],
        mode="markers",
        name="configuration",
        marker={"size": 5, "color": "#ffffff", "opacity": 0.8, "line": {"width": 1, "color": "#39414a"}},
        text=[spot.text for spot in drawn_spots],
        customdata=[spot.trial for spot in drawn_spots],
        hovertemplate="%{text}<extra></extra>",
    )
