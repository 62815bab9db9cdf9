"""The chart of all hyperparameters side by side: a line for each configuration, coloured by its value."""

import html
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from app.charts.axis import AxisPlan, Scale, axis_plan, place_name
from app.charts.configurations import Configuration, configurations, left_out_note
from app.charts.empty import empty_figure
from app.charts.labels import escape, label, params_text, varying
from app.charts.lens.condition import VALUE
from app.charts.marks import best_name, excluded_note
from app.charts.rows import Axis, SweepRow, TrialRow
from app.charts.select import finished, thinned
from app.charts.theme import BEST, INK, Trace, new_figure, scatter
from app.charts.titles import drawn_note, parallel_title, subtitle
from app.charts.value_scale import ValueScale

LINES = 400  # drawn
SHADES = 10  # colours of the lines, from the worst value to the best
AXES = 10  # hyperparameters
TICKS = 6  # of an axis
ABSENT = "none"  # where a condition leaves the hyperparameter out


class Dimension(NamedTuple):
    """One axis: a place for each line, and places with names."""

    name: str
    places: Sequence[float]
    ticks: Sequence[float]
    texts: Sequence[str]
    scale: Scale | Literal["error"] = "linear"
    field: str = ""  # what conditions call it


class ParallelData(NamedTuple):
    """What the chart shows."""

    title: str
    subtitle: str
    dimensions: Sequence[Dimension]  # the last one is the value
    numbers: Sequence[int]  # of the lines' trials
    texts: Sequence[str]  # of the lines, the best last: it is drawn on top
    best: int | None  # the index of the line of the sweep's best configuration
    best_name: str
    down: bool  # whether lower values are better, which lie higher


def parallel_data(sweep: SweepRow, trials: Sequence[TrialRow]) -> ParallelData:
    """What the chart shows, of complete trials. Hyperparameters in which none differ have no axis."""
    all_items = configurations(finished(trials))
    best_items = [item for item in all_items if _is_best(sweep, item)]
    drawn_items = {item.trial.number: item for item in (*thinned(all_items, LINES), *best_items)}.values()
    items = sorted(drawn_items, key=lambda item: sweep.objective.rank(item.mean, item.trial.number))[::-1]
    names = varying([item.trial for item in items])
    return ParallelData(
        title=parallel_title(sweep.objective.metric),
        subtitle=subtitle(
            sweep,
            "lines: configurations, the brighter the better",
            f"right axis: {ValueScale(sweep.objective).note}",
            left_out_note(trials),
            excluded_note(sweep),
            drawn_note(len(items), len(all_items), "configurations"),
            drawn_note(min(len(names), AXES), len(names), "hyperparameters"),
        ),
        dimensions=[*(_dimension(sweep, name, items) for name in names[:AXES]), *_values(sweep, items)],
        numbers=[item.trial.number for item in items],
        texts=[_text(item, names) for item in items],
        best=next((index for index, item in enumerate(items) if _is_best(sweep, item)), None),
        best_name=best_name(sweep),
        down=not sweep.objective.maximize,
    )


def parallel_figure(data: ParallelData) -> go.Figure:
    """Lines in shades of their value, over upright axes with ticks of their own; the best configuration stands out.

    Plotly's own kind of this chart makes functions of texts, which the pages' security policy forbids.
    """
    if not data.texts or len(data.dimensions) < 2:
        reason = "The trials differ in no hyperparameter" if data.texts else "No finished trial yet"
        return empty_figure(reason, data.title, data.subtitle)
    figure = new_figure(data.title, data.subtitle)
    heights = [_heights(item) for item in data.dimensions]
    lines = [*zip(*(scale(item.places) for scale, item in zip(heights, data.dimensions, strict=True)), strict=True)]
    for shade, indices in _by_shade([line[-1] for line in lines]).items():
        figure.add_trace(_lines_trace(data, lines, indices, shade))
    if data.best is not None:
        best = _lines_trace(data, lines, [data.best], BEST) | {"name": data.best_name, "showlegend": True}
        figure.add_trace(best | {"line": {"color": BEST, "width": 3}, "opacity": 1.0})
    ticks = [
        {"x": x, "y": height, "text": text, "showarrow": False, "xanchor": "left", "xshift": 2, "font": {"size": 10}}
        for x, (scale, item) in enumerate(zip(heights, data.dimensions, strict=True))
        for height, text in zip(scale(item.ticks), item.texts, strict=True)
    ]
    figure.update_layout(annotations=ticks)  # all at once: one by one each of them checks all before it again
    names = [item.name for item in data.dimensions]
    figure.update_xaxes(tickvals=[*range(len(names))], ticktext=names, range=(-0.05, len(names) - 0.55), gridcolor=INK)
    figure.update_yaxes(visible=False, range=(-0.06, 1.06))
    # a box is as wide as it was drawn: of itself plotly makes one over all axes of a line straight down
    return figure.update_layout(showlegend=True, dragmode="select", selectdirection="d", meta={"axes": _brushes(data)})


def _brushes(data: ParallelData) -> list[dict[str, object]]:
    """What a page needs to make conditions of parts of the axes: their ends, and the names of choices by place."""
    axes = []
    for item in data.dimensions:
        low, high = _ends(item)
        names = [html.unescape(text) for text in item.texts if text != ABSENT] if item.scale == "category" else None
        axis = {"name": item.field, "scale": item.scale, "low": low, "high": high, "names": names}
        axes.append(axis | {"down": item.field == VALUE and data.down})
    return axes


def _ends(dimension: Dimension) -> tuple[float, float]:
    everything = [*dimension.places, *dimension.ticks]
    return min(everything), max(everything)


def _heights(dimension: Dimension) -> Callable[[Sequence[float]], list[float]]:
    """Scales places of the axis to heights from 0 to 1."""
    low, high = _ends(dimension)
    return lambda places: [round((place - low) / ((high - low) or 1.0), 4) for place in places]


def _by_shade(values: Sequence[float]) -> dict[str, list[int]]:
    """The indices of the lines by colour, the worst first."""
    shades = [str(color) for color in sample_colorscale("Cividis", [step / (SHADES - 1) for step in range(SHADES)])]
    members: dict[str, list[int]] = {shade: [] for shade in shades}
    for index, value in enumerate(values):
        members[shades[min(int(value * SHADES), SHADES - 1)]].append(index)
    return {shade: indices for shade, indices in members.items() if indices}


def _lines_trace(data: ParallelData, lines: Sequence[Sequence[float]], indices: Sequence[int], color: str) -> Trace:
    """Lines of one colour as one trace, with a gap behind each."""
    count = len(data.dimensions)
    return scatter(
        x=[*[*range(count), None] * len(indices)],
        y=[height for index in indices for height in (*lines[index], None)],
        text=[text for index in indices for text in (*[data.texts[index]] * count, "")],
        customdata=[number for index in indices for number in (*[data.numbers[index]] * count, None)],
        name="configuration",
        mode="lines",
        connectgaps=False,
        showlegend=False,
        opacity=0.5,  # the ticks can be read through them
        line={"color": color, "width": 1},
        hovertemplate="%{text}<extra></extra>",
    )


def _text(item: Configuration, names: Sequence[str]) -> str:
    return f"<b>{item.mean:.4f}</b>, trial {item.trial.number}<br>{params_text(item.trial.params, names)}"


def _is_best(sweep: SweepRow, item: Configuration) -> bool:
    return sweep.best is not None and item.trial.number == sweep.best.number


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
    texts = [text for _, text in ticks]
    return Dimension(escape(name), places, [height for height, _ in ticks], texts, plan.scale, name)


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
    return [Dimension("value", places, ticks["tickvals"], ticks["ticktext"], scale.kind, VALUE)]
