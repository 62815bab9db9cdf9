"""The chart of how many trials are how good: the share of them that reach each value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import plotly.graph_objects as go

from app.charts.configurations import configurations, left_out_note
from app.charts.empty import empty_figure
from app.charts.labels import label
from app.charts.looks import ALONG_LINE
from app.charts.marks import excluded_note
from app.charts.rows import SweepRow, TrialRow
from app.charts.select import finished, thinned
from app.charts.theme import Trace, colors, new_figure, scatter, symbol_at
from app.charts.titles import edf_title, subtitle
from app.charts.value_scale import ValueScale
from app.domain.formatting import plural
from app.domain.hyperparameters import is_number

STEPS = 300  # of a line
GROUPS = 8  # with more values of the colour there is one line


@dataclass(frozen=True)
class EdfOptions:
    """What tells lines apart."""

    color: str | None = None


class Group(NamedTuple):
    """One line: the values of its configurations, the best first."""

    name: str
    values: list[float]


class EdfData(NamedTuple):
    """What the chart shows."""

    title: str
    subtitle: str
    color: str | None
    ordered: bool  # whether the groups are numbers
    scale: ValueScale
    groups: list[Group]


def edf_data(sweep: SweepRow, trials: Sequence[TrialRow], options: EdfOptions) -> EdfData:
    """What the chart shows, of complete trials."""
    items = configurations(finished(trials))
    hues = {label(value): value for item in items if (value := item.trial.params.get(options.color or "")) is not None}
    color = options.color if options.color and len(hues) <= GROUPS else None
    ordered = all(map(is_number, hues.values()))
    names = sorted(hues, key=lambda name: float(str(hues[name]))) if ordered else list(hues)
    by_name: dict[str, list[float]] = {name: [] for name in names} if color else {}
    for item in items:
        by_name.setdefault(_group_name(item.trial.params, color), []).append(item.mean)
    return EdfData(
        title=edf_title(sweep.objective.metric),
        subtitle=subtitle(
            sweep,
            plural(len(items), "configuration"),
            f"x axis: {ValueScale(sweep.objective).note}",
            left_out_note(trials),
            excluded_note(sweep),
            f"{options.color} has too many values for a line each" if options.color and not color else "",
        ),
        color=color,
        ordered=ordered,
        scale=ValueScale(sweep.objective),
        groups=[
            Group(name, sorted(values, reverse=sweep.objective.maximize)) for name, values in by_name.items() if values
        ],
    )


def compared_edf_data(sweeps: Sequence[tuple[str, SweepRow, Sequence[TrialRow]]]) -> EdfData:
    """The same of several sweeps, by the names that they have there: a line for each. All have one objective."""
    scale = ValueScale(sweeps[0][1].objective)
    items = {name: configurations(finished(trials)) for name, _, trials in sweeps}
    return EdfData(
        title=edf_title(scale.objective.metric),
        subtitle=f"configurations of complete trials, in brackets how many<br>x axis: {scale.note}",
        color="sweep",
        ordered=False,
        scale=scale,
        groups=[
            Group(name, sorted((item.mean for item in its_items), reverse=scale.objective.maximize))
            for name, its_items in items.items()
            if its_items
        ],
    )


def edf_figure(data: EdfData) -> go.Figure:
    """A falling line for each group: at each value the share of configurations that are at least as good."""
    if not data.groups:
        return empty_figure(title=data.title, subtitle=data.subtitle)
    figure = new_figure(data.title, data.subtitle)
    shades = colors(len(data.groups), ordered=data.ordered)
    for place, (group, shade) in enumerate(zip(data.groups, shades, strict=True)):
        figure.add_trace(_line(data, group, {"color": shade, "symbol": symbol_at(place)}))
    ticks = data.scale.ticks([value for group in data.groups for value in group.values])
    figure.update_xaxes(title_text=data.scale.name, **ticks)
    figure.update_yaxes(title_text="at least as good", tickformat=".0%", range=(0, 1.03))
    return figure.update_layout(legend_title_text=data.color or "", showlegend=data.color is not None)


def _line(data: EdfData, group: Group, marker: dict[str, object]) -> Trace:
    steps = thinned([(value, (rank + 1) / len(group.values)) for rank, value in enumerate(group.values)], STEPS)
    return scatter(
        x=[round(data.scale.place(value), 5) for value, _ in steps],
        y=[round(share, 5) for _, share in steps],
        name=f"{group.name} ({len(group.values):,})" if group.name else "",
        mode="lines+markers" if len(steps) < 3 or data.color else "lines",
        line={"shape": "vh", "width": 2, "color": marker["color"]},
        marker=marker | ALONG_LINE,
        text=[f"{value:.4f}" for value, _ in steps],
        hovertemplate="<b>%{y:.0%}</b> reach %{text}<extra>" + group.name + "</extra>",
    )


def _group_name(params: Mapping[str, object], color: str | None) -> str:
    """Nothing where there is one line, and `none` for trials that lack what tells the lines apart."""
    if color is None:
        return ""
    return label(params[color]) if color in params else "none"
