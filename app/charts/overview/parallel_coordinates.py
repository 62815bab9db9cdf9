"""The chart of all hyperparameters side by side: a line for each configuration, coloured by its value."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from app.charts.axis import AxisPlan, axis_plan, place_name
from app.charts.configurations import Configuration, configurations
from app.charts.empty import empty_figure
from app.charts.labels import escape, label, varying
from app.charts.marks import best_head, excluded_note
from app.charts.rows import Axis, SweepRow, TrialRow
from app.charts.select import count_failed, finished, thinned
from app.charts.theme import INK, LINE, new_figure
from app.charts.titles import drawn_note, failed_note, metric_name, parallel_title, subtitle
from app.charts.value_scale import ValueScale

LINES = 1_000  # drawn
AXES = 10  # hyperparameters
TICKS = 6  # of an axis
ABSENT = "none"  # where a condition leaves the hyperparameter out


class Dimension(NamedTuple):
    """One axis: a place for each line, and places with names."""

    name: str
    places: Sequence[float]
    ticks: Sequence[float]
    texts: Sequence[str]


class ParallelData(NamedTuple):
    """What the chart shows."""

    title: str
    subtitle: str
    dimensions: Sequence[Dimension]  # the last one is the value
    colors: Sequence[float]  # of the lines, the best last: it is drawn on top


def parallel_data(sweep: SweepRow, trials: Sequence[TrialRow]) -> ParallelData:
    """What the chart shows, of complete trials. Hyperparameters in which none differ have no axis."""
    all_items = configurations(finished(trials))
    items = sorted(thinned(all_items, LINES), key=lambda item: sweep.objective.rank(item.mean, item.trial.number))[::-1]
    names = varying([item.trial for item in items])
    return ParallelData(
        title=parallel_title(sweep.objective.metric),
        subtitle=subtitle(
            sweep,
            "lines: configurations; drag along an axis to choose among them",
            f"right axis: {ValueScale(sweep.objective).note}",
            best_head(sweep),
            failed_note(count_failed(trials)),
            excluded_note(sweep),
            drawn_note(len(items), len(all_items), "configurations"),
            drawn_note(min(len(names), AXES), len(names), "hyperparameters"),
        ),
        dimensions=[*(_dimension(sweep, name, items) for name in names[:AXES]), *_values(sweep, items)],
        colors=[ValueScale(sweep.objective).place(item.mean) for item in items],
    )


def parallel_figure(data: ParallelData) -> go.Figure:
    """Axes that can be brushed, the brighter the better."""
    if not data.colors or len(data.dimensions) < 2:
        reason = "The trials differ in no hyperparameter" if data.colors else "No finished trial yet"
        return empty_figure(reason, data.title, data.subtitle)
    figure = new_figure(data.title, data.subtitle)
    font = {"size": 11, "color": INK}
    figure.add_trace(
        {
            "type": "parcoords",
            "line": {"color": list(data.colors), "colorscale": "Cividis"},
            "dimensions": [
                {"label": item.name, "values": item.places, "tickvals": item.ticks, "ticktext": item.texts}
                for item in data.dimensions
            ],
            "labelangle": -25,
            "labelfont": font,
            "tickfont": font,
            "rangefont": {"size": 1, "color": "rgba(0,0,0,0)"},  # the ticks say it already
            "unselected": {"line": {"color": LINE}},
        }
    )
    return figure.update_layout(margin_t=(figure.layout.margin.t or 0) + 50, margin_l=50, margin_r=50)


def _dimension(sweep: SweepRow, name: str, items: Sequence[Configuration]) -> Dimension:
    present = [item.trial.params[name] for item in items if name in item.trial.params]
    plan = axis_plan(sweep.axes.get(name, Axis(name)), present)
    ticks = [*dict.fromkeys(_ticks(plan))]
    heights = {text: height for height, text in ticks}
    low, high = min(height for height, _ in ticks), max(height for height, _ in ticks)
    absent = low - 0.15 * (high - low or 1.0)
    if len(present) < len(items):
        ticks.insert(0, (absent, ABSENT))
    places = [
        _height(plan, heights, item.trial.params[name]) if name in item.trial.params else absent for item in items
    ]
    return Dimension(escape(name), places, [height for height, _ in ticks], [text for _, text in ticks])


def _ticks(plan: AxisPlan) -> Iterable[tuple[float, str]]:
    """Heights with their names: of names all, of numbers a handful."""
    if plan.scale == "category":
        return ((float(index), str(place)) for index, place in enumerate(plan.places))
    if plan.ticks is not None:
        return ((_level(plan, float(place)), place_name(place)) for place in thinned(plan.ticks, TICKS))
    low, high = (_level(plan, float(place)) for place in (plan.places[0], plan.places[-1]))
    heights = [low + (high - low) * step / (TICKS - 1) for step in range(TICKS)]
    values = (10**height if plan.scale == "log" else height for height in heights)
    whole = all(float(place).is_integer() for place in plan.places)
    rounded_values = (float(round(value)) if whole else float(f"{value:.2g}") for value in values)
    return {place_name(value): (_level(plan, value), place_name(value)) for value in rounded_values}.values()


def _height(plan: AxisPlan, heights: dict[str, float], value: object) -> float:
    return heights[label(value)] if plan.scale == "category" else _level(plan, float(str(value)))


def _level(plan: AxisPlan, value: float) -> float:
    return math.log10(value) if plan.scale == "log" else value


def _values(sweep: SweepRow, items: Sequence[Configuration]) -> list[Dimension]:
    if not items:
        return []
    scale = ValueScale(sweep.objective)
    ticks = scale.ticks([item.mean for item in items])
    places = [scale.place(item.mean) for item in items]
    return [Dimension(metric_name(sweep.objective.metric).lower(), places, ticks["tickvals"], ticks["ticktext"])]
