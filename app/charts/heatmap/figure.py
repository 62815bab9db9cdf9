"""Draws a heat map: cells or points coloured by value, crosses where runs diverged, a star for the best."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt

import plotly.graph_objects as go

from app.charts.axis import AxisPlan, Place, draw_x_axis, draw_y_axis
from app.charts.empty import empty_figure
from app.charts.heatmap.parts import Cell, HeatmapData
from app.charts.marks import star_trace
from app.charts.theme import INK, Trace, new_figure, scatter

DENSE = 300  # with more points they are smaller
CROSSES = 12  # the same
COLORS = "Cividis"  # reads alike for all kinds of colour vision, and brighter is better
_CROSSES = {"all runs diverged": "x", "some runs diverged": "x-thin-open"}


def heatmap_figure(data: HeatmapData) -> go.Figure:
    """Cells where each place was tried, points where a sampler chose the places."""
    if not data.cells:
        return empty_figure(title=data.title, subtitle=data.subtitle)
    figure = new_figure(data.title, data.subtitle)
    measured = [cell for cell in data.cells if cell.value is not None]
    if measured:
        figure.add_trace((_points_trace if data.kind == "points" else _cells_trace)(data, measured))
    for name, cells in _diverged(data.cells).items():
        if cells:
            figure.add_trace(_crosses_trace(name, cells))
    if data.best is not None:
        figure.add_trace(_star(data, data.best))
    draw_x_axis(figure, data.x)
    draw_y_axis(figure, data.y)
    figure.update_xaxes(showgrid=data.kind == "points").update_yaxes(showgrid=data.kind == "points")
    return figure.update_layout(showlegend=True)


def _colors(data: HeatmapData, cells: Sequence[Cell]) -> dict[str, object]:
    """The scale of colours and its bar, with values as ticks."""
    values = [cell.value for cell in cells if cell.value is not None]
    ticks = data.scale.ticks(values)
    return {"colorscale": COLORS, "colorbar": {"thickness": 12, "outlinewidth": 0, **ticks}}


def _points_trace(data: HeatmapData, cells: Sequence[Cell]) -> Trace:
    colors = [data.scale.place(cell.value) for cell in cells if cell.value is not None]
    marker = {"size": 9 if len(cells) <= DENSE else 6, "opacity": 0.85, "color": colors, **_colors(data, cells)}
    return _marks(cells) | {"name": "configuration", "showlegend": False, "marker": marker}


def _cells_trace(data: HeatmapData, cells: Sequence[Cell]) -> Trace:
    """The cells of a grid; what was not tried is a gap."""
    columns, rows = _ordered(data.x, {cell.x for cell in data.cells}), _ordered(data.y, {cell.y for cell in data.cells})
    by_place = {(cell.x, cell.y): cell for cell in cells}
    table = [[by_place.get((x, y)) for x in columns] for y in rows]
    return {
        "type": "heatmap",
        "x": _borders(data.x, columns),
        "y": _borders(data.y, rows),
        "z": [[None if cell is None else _color(data, cell) for cell in row] for row in table],
        "text": [["" if cell is None else cell.text for cell in row] for row in table],
        "customdata": [[None if cell is None else cell.trial for cell in row] for row in table],
        "hovertemplate": "%{text}<extra></extra>",
        "hoverongaps": False,
        "xgap": 1,
        "ygap": 1,
        **_colors(data, cells),
    }


def _color(data: HeatmapData, cell: Cell) -> float | None:
    return None if cell.value is None else round(data.scale.place(cell.value), 5)


def _ordered(plan: AxisPlan, tried_places: set[Place]) -> list[Place]:
    return [place for place in plan.places if place in tried_places]


def _borders(plan: AxisPlan, ordered_places: Sequence[Place]) -> list[Place]:
    """Where the cells of an axis begin and end: half-way between their places, as the axis measures it."""
    numbers = [place for place in ordered_places if isinstance(place, float)]
    if plan.scale == "category" or not numbers:
        return list(ordered_places)
    if plan.scale == "log":
        return [*_middles(numbers, lambda a, b: sqrt(a * b), lambda a, b: a * a / b, numbers[0] * 10)]
    return [*_middles(numbers, lambda a, b: (a + b) / 2, lambda a, b: 2 * a - b, numbers[0] + 1)]


def _middles(
    numbers: Sequence[float],
    middle: Callable[[float, float], float],
    mirrored: Callable[[float, float], float],
    neighbour: float,
) -> list[float]:
    """The middles between neighbours; before the first and behind the last as if there were one more on each side."""
    second, second_last = (numbers[1], numbers[-2]) if len(numbers) > 1 else (neighbour, neighbour)
    before, behind = mirrored(numbers[0], second), mirrored(numbers[-1], second_last)
    if len(numbers) == 1:
        behind = neighbour
    return [middle(a, b) for a, b in pairwise([before, *numbers, behind])]


def _diverged(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    diverged = [cell for cell in cells if cell.diverged]
    whole = [cell for cell in diverged if cell.value is None]
    return dict(zip(_CROSSES, (whole, [cell for cell in diverged if cell.value is not None]), strict=True))


def _crosses_trace(name: str, cells: Sequence[Cell]) -> Trace:
    size = 9 if len(cells) <= CROSSES else 5
    marker = {"symbol": _CROSSES[name], "size": size, "color": INK, "line": {"width": 1, "color": INK}}
    return _marks(cells) | {"name": name, "marker": marker}


def _marks(cells: Sequence[Cell]) -> Trace:
    return scatter(
        x=[cell.x for cell in cells],
        y=[cell.y for cell in cells],
        mode="markers",
        text=[cell.text for cell in cells],
        customdata=[cell.trial for cell in cells],
        hovertemplate="%{text}<extra></extra>",
    )


def _star(data: HeatmapData, best: Cell) -> Trace:
    assert best.value is not None
    assert best.trial is not None
    star = star_trace(data.best_name, best.x, 0.0, best.text, best.trial) | {"y": [best.y]}
    return star | {
        "marker": {"size": 16, "symbol": "star", "color": "#d55e00", "line": {"width": 1.5, "color": "#fff"}}
    }
