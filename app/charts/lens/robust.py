"""The robust axis: values by the logarithm of their error, and the worst few below the end of the axis, counted."""

import math
import re
from collections.abc import Iterator, Sequence

import plotly.graph_objects as go

from app.charts.value_scale import ValueScale
from app.domain.formatting import plural

WORST = 0.05  # of the values may lie below the axis
ROOM = 0.06  # of the axis, above and below the values

_HOVERED = re.compile(r"%\{(y|customdata)(:[^}]*)?\}")
_PLACES = {"customdata": 0, "y": 1}  # in what is then the data of a point


def with_robust_axis(figure: go.Figure, scale: ValueScale) -> go.Figure:
    """The figure, whose y axis has values of the scale's metric, with those in their places on the scale."""
    values = [value for trace in figure.data for value in _values(trace)]
    if not values:
        return figure
    places = sorted(map(scale.place, values))
    low = places[int(WORST * len(places))]
    for trace in figure.data:
        _place(trace, scale)
    room = ROOM * ((places[-1] - low) or 1.0)
    below = sum(place < low - room for place in places)
    is_limited = scale.kind == "linear" and figure.layout.yaxis.range is not None
    end = min(map(scale.place, figure.layout.yaxis.range)) if is_limited else low - room
    title = figure.layout.title.subtitle
    note = f"y axis: {scale.note}, up is better" + (f"; {plural(below, 'value')} below it" if below else "")
    title.text = "<br>".join(filter(None, [title.text, note]))
    figure.update_layout(margin_t=(figure.layout.margin.t or 80) + 16)
    inner_values = [value for value in values if scale.place(value) >= low]
    return figure.update_yaxes(range=(end, places[-1] + room), **scale.ticks(inner_values))


def _values(trace: go.Scatter) -> Iterator[float]:
    """The values of a trace's points. (Bands have none.)"""
    if trace.hoverinfo != "skip":
        yield from (float(value) for value in trace.y if value is not None and math.isfinite(value))


def _place(trace: go.Scatter, scale: ValueScale) -> None:
    """Moves the points of a trace and its bars to their places; hover texts say the values as before."""
    values = list(trace.y)
    numbers = list(trace.customdata) if trace.customdata is not None else [None] * len(values)
    trace.y = [_at(scale, value) for value in values]
    trace.customdata = list(zip(numbers, values, strict=True))
    if trace.hovertemplate:
        trace.hovertemplate = _HOVERED.sub(
            lambda match: f"%{{customdata[{_PLACES[match[1]]}]{match[2] or ''}}}", trace.hovertemplate
        )
    if trace.error_y.array is not None:
        bars = zip(values, trace.error_y.array, trace.error_y.arrayminus, strict=True)
        ends = [_bar(scale, value, above, below) for value, above, below in bars]
        trace.error_y.update(array=[max(pair) for pair in ends], arrayminus=[-min(pair) for pair in ends])


def _bar(scale: ValueScale, value: float, above: float, below: float) -> Sequence[float]:
    """How far the two ends of a bar lie from its middle: a loss that is lower lies higher."""
    middle = scale.place(value)
    return (scale.place(value + above) - middle, scale.place(value - below) - middle, 0.0)


def _at(scale: ValueScale, value: float | None) -> float | None:
    return None if value is None else round(scale.place(float(value)), 5)
