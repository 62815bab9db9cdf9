"""The chart of two objectives against each other, with the Pareto front."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import plotly.graph_objects as go

from app.charts.axis import AxisPlan, axis_plan, draw_x_axis, draw_y_axis
from app.charts.configurations import Spread, error_bars, spread
from app.charts.empty import empty_figure
from app.charts.labels import params_text, varying
from app.charts.marks import excluded_note
from app.charts.rows import Axis, SweepRow, TrialRow
from app.charts.select import count_failed, finished, thinned
from app.charts.theme import BEST, PALETTE, Trace, new_figure, scatter
from app.charts.titles import against_title, axis_title, drawn_note, failed_note, subtitle
from app.domain.comparisons.pareto import front

POINTS = 2_000  # trials drawn that are not on the front


@dataclass(frozen=True)
class ParetoOptions:
    """The objectives on the axes, by their metrics."""

    x: str
    y: str


class Point(NamedTuple):
    """One trial in both objectives."""

    x: float  # mean over its runs
    y: float
    x_std: float | None  # their sample standard deviation
    y_std: float | None
    x_bar: Spread  # cut where no value can be
    y_bar: Spread
    text: str
    trial: int  # its number


class ParetoData(NamedTuple):
    """What the chart shows."""

    title: str
    subtitle: str
    x: AxisPlan
    y: AxisPlan
    front: list[Point]  # by x
    dominated: list[Point]
    joined: bool  # whether the front is a line, which it is for two objectives


def pareto_data(sweep: SweepRow, trials: Sequence[TrialRow], options: ParetoOptions) -> ParetoData:
    """What the chart shows. The front is that of all objectives, also of those that are on no axis."""
    metrics = [objective.metric for objective in sweep.objectives]
    measured = [trial for trial, _ in finished(trials) if len(trial.values) == len(metrics)]
    best = set(front([trial.values for trial in measured], [objective.maximize for objective in sweep.objectives]))
    axes = metrics.index(options.x), metrics.index(options.y)
    names = varying(measured)
    points = [_point(trial, metrics, axes, params_text(trial.params, names)) for trial in measured]
    dominated = [point for index, point in enumerate(points) if index not in best]
    drawn_points = thinned(dominated, POINTS)
    goals = ", ".join(
        f"{axis_title(goal.metric, sweep)} {'up' if goal.maximize else 'down'}" for goal in sweep.objectives
    )
    return ParetoData(
        title=against_title(options.x, options.y),
        subtitle=subtitle(
            sweep,
            f"goals: {goals}",
            "bars: ± std over seeds" if any(point.x_std or point.y_std for point in points) else "",
            failed_note(count_failed(trials)),
            excluded_note(sweep),
            drawn_note(len(drawn_points), len(dominated), "trials off the front"),
        ),
        x=_plan(axis_title(options.x, sweep), [point.x for point in points]),
        y=_plan(axis_title(options.y, sweep), [point.y for point in points]),
        front=sorted((points[index] for index in best), key=lambda point: (point.x, point.y)),
        dominated=drawn_points,
        joined=len(metrics) == 2,
    )


def pareto_figure(data: ParetoData) -> go.Figure:
    """Faint points for the trials, larger ones with error bars for the front, joined where it is a line."""
    if not data.front:
        return empty_figure(title=data.title, subtitle=data.subtitle)
    figure = new_figure(data.title, data.subtitle)
    if data.dominated:
        figure.add_trace(_trace(data.dominated, "trial", {"size": 7, "opacity": 0.5, "color": PALETTE[0]}))
    bars = {
        "error_x": error_bars([point.x_bar for point in data.front]),
        "error_y": error_bars([point.y_bar for point in data.front]),
        "mode": "lines+markers" if data.joined else "markers",
        "line": {"width": 2, "color": BEST},
    }
    figure.add_trace(_trace(data.front, "Pareto front", {"size": 10, "color": BEST, "symbol": "diamond"}, **bars))
    draw_x_axis(figure, data.x)
    draw_y_axis(figure, data.y)
    return figure


def _point(trial: TrialRow, metrics: Sequence[str], axes: tuple[int, int], params: str) -> Point:
    stds = trial.stds or (None,) * len(trial.values)
    x, y = axes
    x_bar, y_bar = (spread(metrics[axis], trial.values[axis], stds[axis]) for axis in axes)
    return Point(
        trial.values[x],
        trial.values[y],
        stds[x],
        stds[y],
        x_bar,
        y_bar,
        f"trial {trial.number}<br>{params}",
        trial.number,
    )


def _trace(points: Sequence[Point], name: str, marker: dict[str, object], **properties: object) -> Trace:
    details = [(point.trial, _spread(point.x_std), _spread(point.y_std)) for point in points]
    return scatter(
        **{"mode": "markers"} | properties,
        x=[point.x for point in points],
        y=[point.y for point in points],
        name=name,
        marker=marker,
        text=[point.text for point in points],
        customdata=details,
        hovertemplate="<b>%{y:.4g}</b>%{customdata[2]} at %{x:.4g}%{customdata[1]}<br>%{text}<extra></extra>",
    )


def _spread(std: float | None) -> str:
    return "" if std is None else f" ± {std:.2g}"


def _plan(title: str, values: Sequence[float]) -> AxisPlan:
    """Sizes and times that lie two decades apart are compared by their ratio."""
    return axis_plan(Axis(title), values)._replace(ticks=None)
