"""Draws diagnostics: one panel a layer and one line a trial, or of bottlenecks one panel a trial."""

import math

import plotly.graph_objects as go

from app.charts.axis import whole_ticks
from app.charts.diagnostics.parts import Boxes, DiagnosticsData, Line
from app.charts.empty import empty_figure
from app.charts.looks import ALONG_LINE, Look
from app.charts.theme import INK, PALETTE, Trace, faded, new_figure, scatter

COLUMNS = 4  # panels side by side, at most
FEW_BOXES = 4  # panels of boxes, each with a scale of its own, that stand two by two
LOG_TICKS = 4  # powers of ten named on an axis, about


def diagnostics_figure(data: DiagnosticsData) -> go.Figure:
    """Panels side by side, lines on one scale; the legend names each trial once."""
    if not data.panels:
        return empty_figure("Nothing was measured", data.title, data.subtitle)
    figure = new_figure(data.title, data.subtitle)
    has_boxes = any(panel.boxes for panel in data.panels)
    rows = -(-len(data.panels) // (2 if has_boxes and len(data.panels) <= FEW_BOXES else COLUMNS))
    columns = -(-len(data.panels) // rows)
    titles = [panel.title for panel in data.panels]
    # plotly escapes nothing: titles are names that are escaped already
    # what the neurons of two networks hold has no common scale
    shared = False if has_boxes else "all"
    figure.set_subplots(rows, columns, subplot_titles=titles, shared_yaxes=shared, vertical_spacing=0.24 / rows)
    figure.update_annotations(font_size=12)  # their titles, side by side on a phone
    named_trials: set[int] = set()
    for index, panel in enumerate(data.panels):
        place = {"row": index // columns + 1, "col": index % columns + 1}
        for line in panel.lines:
            trace = _line_trace(line, data.looks[line.name.trial], named=line.name.trial not in named_trials)
            figure.add_trace(trace, **place)
            named_trials.add(line.name.trial)
        if panel.boxes is not None:
            figure.add_trace(_box_trace(panel.boxes), **place)
    _draw_axes(figure, data, rows, columns)
    return figure


def _draw_axes(figure: go.Figure, data: DiagnosticsData, rows: int, columns: int) -> None:
    if data.x_title == "epoch":
        figure.update_xaxes(**whole_ticks([int(x) for panel in data.panels for line in panel.lines for x in line.x]))
    else:
        figure.update_xaxes(type="category")
    # what stands above another panel has its ticks below that one, and one title serves all rows: there is no more room
    for index in range(len(data.panels) - columns):
        figure.update_xaxes(row=index // columns + 1, col=index % columns + 1, showticklabels=False)
    lowest = range(max(len(data.panels) - columns, 0), len(data.panels))
    for index in lowest:
        figure.update_xaxes(row=index // columns + 1, col=index % columns + 1, title_text=data.x_title)
    figure.update_yaxes(row=(rows + 1) // 2, col=1, title_text=data.text.axis)
    if data.text.log:
        decades = _decades(data)
        # whole powers of ten, at most so many that their names find room
        figure.update_yaxes(
            type="log", exponentformat="power", dtick=math.ceil(decades / LOG_TICKS) if decades >= 1 else None
        )
    figure.update_layout(legend_title_text=data.by, meta={"curves": True})


def _decades(data: DiagnosticsData) -> float:
    """How many powers of ten the lines span."""
    numbers = [number for panel in data.panels for line in panel.lines for number in line.y if number > 0]
    return math.log10(max(numbers) / min(numbers)) if numbers else 0.0


def _line_trace(line: Line, look: Look, *, named: bool) -> Trace:
    return scatter(
        x=line.x,
        y=line.y,
        name=line.name.text,
        legendgroup=str(line.name.trial),
        showlegend=named,
        mode="markers" if len(line.x) == 1 else "lines+markers",
        line={"color": look.color, "width": 2},
        marker={"color": look.color, "symbol": look.symbol, **ALONG_LINE},
        customdata=[line.name.trial] * len(line.x),
        hovertemplate=f"trial {line.name.trial}<br>%{{x}}: <b>%{{y:.4g}}</b><br>{line.name.text}<extra></extra>",
    )


def _box_trace(boxes: Boxes) -> Trace:
    low, first_quarter, median, third_quarter, high = zip(*boxes.quantiles, strict=True)
    return {
        "type": "box",
        "x": boxes.classes,
        "lowerfence": low,
        "q1": first_quarter,
        "median": median,
        "q3": third_quarter,
        "upperfence": high,
        "name": boxes.name.text,
        "showlegend": False,
        "line": {"color": INK, "width": 1.2},
        "fillcolor": faded(PALETTE[0], 0.45),
    }
