"""The chart of several sweeps' best value so far against what each had spent on it."""

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from app.charts.axis import axis_plan, draw_x_axis
from app.charts.empty import empty_figure
from app.charts.labels import escape
from app.charts.progress.regret import SPENT_TITLES, RegretData, Spent
from app.charts.rows import Axis
from app.charts.theme import Trace, colors, new_figure, scatter, symbol_at
from app.charts.titles import regret_title
from app.domain.formatting import score


class ComparedSweep(NamedTuple):
    """One line of the chart."""

    id: int
    name: str
    progress: RegretData

    @property
    def label(self) -> str:
        """`#3 width`."""
        return sweep_label(self.id, self.name)


def sweep_label(sweep_id: int, name: str) -> str:
    """`#3 width`, no longer than a legend has room for."""
    return f"#{sweep_id} {escape(name[:40])}"


def comparison_figure(sweeps: Sequence[ComparedSweep], unit: Spent) -> go.Figure:
    """A step line for each sweep, on from its last best to where the sweep is. All have one metric and direction."""
    drawn_sweeps = [sweep for sweep in sweeps if sweep.progress.steps]
    if not drawn_sweeps:
        return empty_figure()
    scale = drawn_sweeps[0].progress.scale
    subtitle = f"of single trials, each sweep from its own start<br>y axis: {scale.note}"
    figure = new_figure(regret_title(scale.objective.metric, unit), subtitle)
    for place, (sweep, color) in enumerate(zip(drawn_sweeps, colors(len(drawn_sweeps)), strict=True)):
        figure.add_trace(_line(sweep, {"color": color, "symbol": symbol_at(place)}))
    places = [step.spent for sweep in drawn_sweeps for step in sweep.progress.steps]
    axis = axis_plan(Axis(SPENT_TITLES[unit]), [*places, *(sweep.progress.end for sweep in drawn_sweeps)])
    draw_x_axis(figure, axis._replace(ticks=None))
    if axis.scale == "linear":
        figure.update_xaxes(rangemode="tozero")
    ticks = scale.ticks([step.value for sweep in drawn_sweeps for step in sweep.progress.steps])
    return figure.update_yaxes(title_text=scale.name, **ticks).update_layout(showlegend=True)


def _line(sweep: ComparedSweep, marker: dict[str, object]) -> Trace:
    data = sweep.progress
    points = [*data.steps, data.steps[-1]._replace(spent=data.end)]
    metric = data.scale.objective.metric
    return scatter(
        x=[point.spent for point in points],
        y=[round(data.scale.place(point.value), 5) for point in points],
        name=sweep.label,
        mode="lines+markers",
        line={"shape": "hv", "width": 2, "color": marker["color"]},
        marker=marker | {"size": [8] * len(data.steps) + [0], "opacity": 1, "line": {"width": 0}},
        text=[f"<b>{score(point.value, metric=metric)}</b>, trial {point.number} of {sweep.label}" for point in points],
        hovertemplate="%{text}<br>after %{x:.6g} " + data.unit + "<extra></extra>",
    )
