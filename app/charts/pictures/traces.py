"""The traces of a figure on a picture: points and lines, bars, boxes, and cells or levels of colour."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from app.charts.pictures.axes import PictureAxis
from app.charts.pictures.looks import color, color_map, dash, numbers, steps, symbol
from app.charts.pictures.texts import plain
from app.charts.theme import INK, PALETTE

CELLS = ("heatmap", "contour")  # kinds of traces that colour an area
POINT = 0.75  # points of a picture for a pixel of a page

Trace = Mapping[str, Any]
Handle = Line2D | Patch


class TraceDrawing:
    """Draws traces on one pair of axes."""

    def __init__(self, axes: Axes, x: PictureAxis, y: PictureAxis, layout: Mapping[str, Any]) -> None:
        self.axes, self.x, self.y, self.layout = axes, x, y, layout
        self._stacked: dict[float, float] = {}

    def draw(self, trace: Trace, shade: str, place: tuple[float, float]) -> Any:
        """Draws one trace; gives what a bar of colours explains, if it has one.

        shade: its colour where it names none. place: its offset and width among the traces at one name.
        """
        if trace["type"] == "bar":
            return self._bars(trace, shade, place)
        if trace["type"] == "box":
            return self._boxes(trace, shade)
        if trace["type"] in CELLS:
            return self._cells(trace)
        if trace["type"] == "scatter":
            return self._scatter(trace, shade, place[0])
        raise ValueError(f"a picture has no traces of the kind {trace['type']}")

    def _scatter(self, trace: Trace, shade: str, offset: float) -> Any:
        x = [value + (offset if self.x.names is not None else 0.0) for value in self.x.places(trace.get("x") or ())]
        y = self.y.places(trace.get("y") or ())
        if trace.get("fill") in ("toself", "tonexty", "tozeroy"):
            for part_x, part_y in _parts(x, y):
                self.axes.fill(part_x, part_y, facecolor=color(trace.get("fillcolor", shade)), linewidth=0)
        mode, opacity, line = trace.get("mode", "lines"), trace.get("opacity", 1.0), trace.get("line", {})
        if "lines" in mode and line.get("width", 2):
            look = {"linewidth": line.get("width", 2) * POINT, "linestyle": dash(line.get("dash"))}
            self.axes.plot(
                x, y, color=color(_color(line, shade), opacity), drawstyle=steps(line.get("shape")), zorder=2, **look
            )
        self._bars_of_error(trace, x, y, shade)
        return self._points(trace, x, y, shade) if "markers" in mode else None

    def _points(self, trace: Trace, x: Sequence[float], y: Sequence[float], shade: str) -> Any:
        marker = trace.get("marker", {})
        opacity = marker.get("opacity", 1.0) * trace.get("opacity", 1.0)
        size, colors = marker.get("size", 6), marker.get("color", _color(trace.get("line", {}), shade))
        sizes = np.square(np.array(size if isinstance(size, list | tuple) else [size] * len(x), dtype=float) * POINT)
        if most := marker.get("maxdisplayed"):
            sizes[np.arange(len(x)) % max(-(-len(x) // most), 1) > 0] = 0
        shape, hollow = symbol(str(marker.get("symbol", "circle")))
        edge = marker.get("line", {})
        if not isinstance(colors, str):
            cmap = color_map(marker.get("colorscale", "Viridis"))
            return self.axes.scatter(x, y, s=sizes, c=numbers(colors), cmap=cmap, marker=shape, alpha=opacity, zorder=3)
        ink = color(colors, opacity)
        widths = {"linewidths": edge.get("width", 1.0 if hollow or shape in "x+_" else 0.0)}
        face = {"facecolors": "none", "edgecolors": ink} if hollow and shape not in "x+_" else {"c": [ink]}
        self.axes.scatter(x, y, s=sizes, marker=shape, zorder=3, **widths, **face)
        return None

    def _bars_of_error(self, trace: Trace, x: Sequence[float], y: Sequence[float], shade: str) -> None:
        for direction in ("x", "y"):
            error = trace.get(f"error_{direction}") or {}
            if error.get("array") is None:
                continue
            ends: Any = [numbers(error.get("arrayminus", error["array"])), numbers(error["array"])]
            ink = color(_color(error, _color(trace.get("marker", {}), _color(trace.get("line", {}), shade))))
            x_ends, y_ends = (ends, None) if direction == "x" else (None, ends)
            self.axes.errorbar(x, y, y_ends, x_ends, fmt="none", ecolor=ink, elinewidth=0.9, capsize=2, zorder=2)

    def _bars(self, trace: Trace, shade: str, place: tuple[float, float]) -> None:
        lying = trace.get("orientation") == "h"
        along, across = (self.y, self.x) if lying else (self.x, self.y)
        offset, width = place
        places = [value + offset for value in along.places(trace["y" if lying else "x"])]
        lengths = across.places(trace["x" if lying else "y"])
        starts = [0.0] * len(places)
        if self.layout.get("barmode") in ("stack", "relative"):
            starts = [self._stacked.get(at, 0.0) for at in places]
            self._stacked |= {at: start + length for at, start, length in zip(places, starts, lengths, strict=True)}
        ink = trace.get("marker", {}).get("color", shade)
        inks = color(ink) if isinstance(ink, str) else [color(text) for text in ink]
        draw = self.axes.barh if lying else self.axes.bar
        draw(places, lengths, width, starts, color=inks)
        middles = (lengths, places) if lying else (places, lengths)
        self._bars_of_error(trace, *middles, shade)

    def _boxes(self, trace: Trace, shade: str) -> None:
        names = ("lowerfence", "q1", "median", "q3", "upperfence")
        columns = zip(*(trace[name] for name in names), strict=True)
        keys = ("whislo", "q1", "med", "q3", "whishi")
        boxes = [dict(zip(keys, column, strict=True)) | {"fliers": []} for column in columns]
        places = self.x.places(trace["x"])
        ink = color(trace.get("fillcolor", shade))
        self.axes.bxp(
            boxes,
            places,
            manage_ticks=False,
            patch_artist=True,
            boxprops={"facecolor": ink},
            medianprops={"color": INK},
        )

    def _cells(self, trace: Trace) -> Any:
        cells = np.array([numbers(row) for row in trace["z"]], dtype=float)
        x, y = self.x.places(trace["x"]), self.y.places(trace["y"])
        limits: dict[str, Any] = {"vmin": trace.get("zmin"), "vmax": trace.get("zmax")}
        cmap = color_map(trace.get("colorscale", "Viridis"))
        if trace["type"] == "contour":
            return self.axes.contourf(x, y, np.ma.masked_invalid(cells), 20, cmap=cmap, **limits)
        edges = [_edges(places, size) for places, size in zip((x, y), cells.shape[::-1], strict=True)]
        mesh: QuadMesh = self.axes.pcolormesh(
            *edges, np.ma.masked_invalid(cells), cmap=cmap, edgecolors="white", linewidth=0.8, **limits
        )
        self.axes.grid(False)
        return mesh


def handle(trace: Trace, shade: str) -> Handle:
    """What stands for the trace in the legend."""
    name = plain(trace.get("name"))
    if trace["type"] in ("bar", "box"):
        ink = trace.get("marker", {}).get("color", shade)
        return Patch(color=color(ink if isinstance(ink, str) else ink[0]), label=name)
    line, marker, mode = trace.get("line", {}), trace.get("marker", {}), trace.get("mode", "lines")
    shape, hollow = symbol(str(marker.get("symbol", "circle")))
    ink = marker.get("color", shade) if "markers" in mode else _color(line, shade)
    ink = ink if isinstance(ink, str) else shade
    return Line2D(
        [],
        [],
        color=color(_color(line, ink)),
        linestyle=dash(line.get("dash")) if "lines" in mode else "none",
        marker=shape if "markers" in mode else "",
        markerfacecolor="none" if hollow else color(ink),
        markeredgecolor=color(ink),
        label=name,
    )


def shade_of(index: int) -> str:
    """The colour of a trace that names none."""
    return PALETTE[index % len(PALETTE)]


def _color(look: Mapping[str, Any], otherwise: str) -> str:
    ink = look.get("color")
    return ink if isinstance(ink, str) else otherwise


def _parts(x: Sequence[float], y: Sequence[float]) -> Iterator[tuple[list[float], list[float]]]:
    """What lies between gaps."""
    for is_gap, group in groupby(zip(x, y, strict=True), key=lambda point: math.isnan(point[1])):
        points = list(group)
        if not is_gap:
            yield [at for at, _ in points], [at for _, at in points]


def _edges(places: Sequence[float], cells: int) -> Sequence[float]:
    """Borders as they are, or half-way between middles."""
    if len(places) == cells + 1:
        return places
    if cells == 1:
        return [places[0] - 0.5, places[0] + 0.5]
    middles = [(a + b) / 2 for a, b in pairwise(places)]
    return [2 * places[0] - middles[0], *middles, 2 * places[-1] - middles[-1]]
