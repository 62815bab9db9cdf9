"""The chart of ranks: what was tried on one or two hyperparameters, coloured by its place among all."""

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from app.charts.axis import AxisPlan, draw_x_axis, draw_y_axis, place_of
from app.charts.configurations import left_out_note
from app.charts.empty import empty_figure
from app.charts.landscape.plane import POINTS, PlaneOptions, Spot, items_with, plan_of, plane_names, spot_text
from app.charts.marks import excluded_note
from app.charts.rows import SweepRow, TrialRow
from app.charts.select import finished, thinned
from app.charts.theme import Trace, new_figure, scatter
from app.charts.titles import drawn_note, rank_title, subtitle, value_title

TICKS = {0.0: "best", 0.25: "25 %", 0.5: "median", 0.75: "75 %", 1.0: "worst"}


class RankData(NamedTuple):
    """What the chart shows."""

    title: str
    subtitle: str
    x: AxisPlan | None  # None where nothing varies
    y: AxisPlan | None  # None for the value
    value_title: str
    spots: Sequence[Spot]  # the best last, on top
    ranks: Sequence[float]  # of the spots: 0 for the best, 1 for the worst


def rank_data(sweep: SweepRow, trials: Sequence[TrialRow], options: PlaneOptions) -> RankData:
    """What the chart shows, of complete trials. Without y the value is on that axis."""
    scored = finished(trials)
    x, y = plane_names(scored, options, with_y=False)
    items = items_with(scored, x, y) if x else []
    items = sorted(items, key=lambda item: sweep.objective.rank(item.mean, item.trial.number))
    last = max(len(items) - 1, 1)
    ranked_items = thinned([(index / last, item) for index, item in enumerate(items)], POINTS)[::-1]
    drawn_trials = [item.trial for item in items]
    x_plan, y_plan = (plan_of(sweep, name, drawn_trials) if name else None for name in (x, y))
    return RankData(
        title=rank_title(sweep.objective.metric),
        subtitle=subtitle(
            sweep,
            "colour: place among all configurations",
            left_out_note(trials),
            excluded_note(sweep),
            drawn_note(len(ranked_items), len(items), "configurations"),
        ),
        x=x_plan,
        y=y_plan,
        value_title=value_title(sweep.objective.metric, sweep.unit),
        spots=[
            Spot(
                place_of(x_plan, item.trial.params[x]),
                place_of(y_plan, item.trial.params[y]) if y_plan else item.mean,
                item.mean,
                spot_text(sweep, item),
                item.trial.number,
            )
            for _, item in ranked_items
            if x_plan is not None
        ],
        ranks=[round(rank, 4) for rank, _ in ranked_items],
    )


def rank_figure(data: RankData) -> go.Figure:
    """Points from bright for the best to dark for the worst."""
    if data.x is None or not data.spots:
        return empty_figure(title=data.title, subtitle=data.subtitle)
    figure = new_figure(data.title, data.subtitle)
    figure.add_trace(_trace(data))
    draw_x_axis(figure, data.x)
    if data.y is None:
        figure.update_yaxes(title_text=data.value_title)
    else:
        draw_y_axis(figure, data.y)
    return figure.update_layout(showlegend=False)


def _trace(data: RankData) -> Trace:
    bar = {"thickness": 12, "outlinewidth": 0, "tickvals": list(TICKS), "ticktext": list(TICKS.values())}
    return scatter(
        x=[spot.x for spot in data.spots],
        y=[spot.y for spot in data.spots],
        mode="markers",
        name="configuration",
        marker={
            "size": 8, "opacity": 0.85, "color": data.ranks, "colorscale": "Cividis", "reversescale": True,
            "cmin": 0, "cmax": 1, "colorbar": bar,
        },
        text=[f"{spot.text}<br>better than {1 - rank:.0%}" for spot, rank in zip(data.spots, data.ranks, strict=True)],
        customdata=[spot.trial for spot in data.spots],
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip
