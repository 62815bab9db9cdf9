"""The chart of slices: a panel for each hyperparameter, with the values of what was tried, by when that was"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from app.charts.axis import AxisPlan, axis_plan, place_name, places
from app.charts.configurations import Configuration, configurations, left_out_note
from app.charts.empty import empty_figure
from app.charts.labels import params_text, varying
from app.charts.marks import excluded_note
from app.charts.rows import Axis, SweepRow, TrialRow
from app.charts.select import finished, thinned
from app.charts.theme import Trace, new_figure, scatter
from app.charts.titles import drawn_note, slice_title, subtitle, value_hover, value_title
from app.domain.formatting import plural

PANELS = 9  # hyperparameters
COLUMNS = 3  # panels side by side
POINTS = 500  # in each panel
TICKS = 3  # of a panel
TEXTS = 4  # hyperparameters that a point names


class Panel(NamedTuple):
    """One hyperparameter."""

    axis: AxisPlan
    items: Sequence[Configuration]


class SliceData(NamedTuple):
    """What the chart shows."""

    title: str
    subtitle: str
    metric: str
    hover: str
    names: Sequence[str]  # of hyperparameters, for the texts of points
    panels: Sequence[Panel]


def slice_data(sweep: SweepRow, trials: Sequence[TrialRow]) -> SliceData:
    """What the chart shows, of complete trials; in each panel those that have its hyperparameter."""
    items = configurations(finished(trials))
    names = varying([item.trial for item in items])
    drawn_items = thinned(items, POINTS)
    return SliceData(
        title=slice_title(sweep.objective.metric),
        subtitle=subtitle(
            sweep,
            "others vary too: panels show what was tried,<br>not what a hyperparameter does",
            "colour: early trials dark, late ones bright",
            left_out_note(trials),
            excluded_note(sweep),
            drawn_note(len(drawn_items), len(items), "configurations"),
            f"{plural(len(names) - PANELS, 'more hyperparameter')} not shown" if len(names) > PANELS else "",
        ),
        metric=value_title(sweep.objective.metric, sweep.unit),
        hover=value_hover(sweep.objective.metric),
        names=names,
        panels=[_panel(sweep, name, drawn_items) for name in names[:PANELS]],
    )


def slice_figure(data: SliceData) -> go.Figure:
    """Panels with one scale of values."""
    if not data.panels:
        return empty_figure(title=data.title, subtitle=data.subtitle)
    figure = new_figure(data.title, data.subtitle)
    columns = min(COLUMNS, len(data.panels))
    rows = -(-len(data.panels) // columns)
    figure.set_subplots(rows, columns, shared_yaxes="all", vertical_spacing=0.32 / rows, horizontal_spacing=0.04)
    last = max((item.trial.number for panel in data.panels for item in panel.items), default=1)
    for index, panel in enumerate(data.panels):
        place = {"row": index // columns + 1, "col": index % columns + 1}
        figure.add_trace(_trace(data, panel, last), **place)
        figure.update_xaxes(**panel_axis(panel.axis), **place)
    figure.update_yaxes(title_text=data.metric, row=(rows + 1) // 2, col=1)
    return figure.update_layout(showlegend=False)


def panel_axis(plan: AxisPlan) -> dict[str, object]:
    """The axis of a narrow panel: few ticks."""
    layout: dict[str, object] = {"title_text": plan.name, "type": plan.scale, "nticks": TICKS}
    if plan.scale == "category":
        return layout | {"categoryorder": "array", "categoryarray": plan.places}
    ticks = plan.ticks
    if ticks is None and plan.scale == "log":
        low, high = (math.log10(float(plan.places[end])) for end in (0, -1))
        ticks = [10.0**decade for decade in range(math.ceil(low), math.floor(high) + 1)]
    if not ticks or len(ticks) < 2:
        return layout
    few_ticks = thinned(ticks, TICKS)
    return layout | {"tickvals": few_ticks, "ticktext": [place_name(tick) for tick in few_ticks], "tickangle": 0}


def _panel(sweep: SweepRow, name: str, drawn_items: Sequence[Configuration]) -> Panel:
    items = [item for item in drawn_items if name in item.trial.params]
    return Panel(axis_plan(sweep.axes.get(name, Axis(name)), [item.trial.params[name] for item in items]), items)


def _trace(data: SliceData, panel: Panel, last: int) -> Trace:
    numbers = [item.trial.number for item in panel.items]
    return scatter(
        x=places(panel.axis, [item.trial.params[panel.axis.name] for item in panel.items]),
        y=[item.mean for item in panel.items],
        name=panel.axis.name,
        mode="markers",
        marker={"size": 6, "opacity": 0.7, "color": numbers, "colorscale": "Cividis", "cmin": 0, "cmax": last},
        text=[_text(data, item) for item in panel.items],
        customdata=numbers,
        hovertemplate=f"<b>{data.hover}</b><br>%{{text}}<extra></extra>",
    )


def _text(data: SliceData, item: Configuration) -> str:
    return f"trial {item.trial.number}<br>{params_text(item.trial.params, data.names[:TEXTS])}"
