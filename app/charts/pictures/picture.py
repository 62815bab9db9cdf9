"""A picture of a figure: its panels, its title above them and its legend below."""

import io
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import plotly.graph_objects as go
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from app.charts.pictures.axes import PictureAxis, dress
from app.charts.pictures.looks import color, dash
from app.charts.pictures.texts import plain
from app.charts.pictures.traces import CELLS, POINT, TraceDrawing, handle, shade_of

Format = Literal["png", "svg"]

WIDTH, HEIGHT = 9.0, 5.6  # inches
DPI = 200  # of a PNG
INK, SOFT = "#1c2024", "#5b646d"
LINE_HEIGHT = 0.19  # inches of a subtitle's line
LEGEND_COLUMNS = 4
LETTER = 0.085  # inches of a tick's text

_lock = threading.Lock()  # matplotlib's fonts are not for several threads at once


def picture(figure: go.Figure, format: Format) -> bytes:
    """The figure in light colours, for paper and slides. Its texts stay texts in an SVG."""
    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "perceptune",
        "font.family": "DejaVu Sans",
        "text.parse_math": False,  # a dollar of a unit or of a name is one
    }
    with _lock, rc_context(settings):
        image = drawn_image(figure)
        (FigureCanvasAgg if format == "png" else FigureCanvasSVG)(image)
        target = io.BytesIO()
        metadata = {"Date": None} if format == "svg" else {"Software": None}
        image.savefig(target, format=format, dpi=DPI, metadata=metadata)
        return target.getvalue()


def drawn_image(figure: go.Figure) -> Figure:
    """The figure as matplotlib has it."""
    image = Figure(figsize=(WIDTH, HEIGHT), facecolor="white")
    _Drawing(figure, image).draw()
    return image


class _Drawing:
    """Draws one figure on one image."""

    def __init__(self, figure: go.Figure, image: Figure) -> None:
        self.traces: Sequence[Mapping[str, Any]] = [trace.to_plotly_json() for trace in figure.data]
        self.layout: Mapping[str, Any] = figure.layout.to_plotly_json()
        self.image = image
        self.handles = [
            handle(trace, shade_of(index))
            for index, trace in enumerate(self.traces)
            if trace.get("showlegend", True) and trace.get("name") and trace["type"] not in CELLS
        ]
        if not self.layout.get("showlegend", len(self.traces) > 1):
            self.handles = []

    def draw(self) -> None:
        """Panels, title and legend."""
        top, bottom = self._draw_title(), self._draw_legend()
        area = self._area(bottom, top)
        panels = dict.fromkeys((trace.get("xaxis", "x"), trace.get("yaxis", "y")) for trace in self.traces)
        for names in panels or {("x", "y"): None}:
            self._draw_panel(names, area)
        for note in self.layout.get("annotations", ()):
            if note.get("xref") == "paper":
                at = area.x0 + note["x"] * area.width, area.y0 + note["y"] * area.height
                side = "bottom" if note.get("yanchor") == "bottom" else "center"
                self.image.text(*at, plain(note["text"]), ha="center", va=side, **_look(note))

    def _draw_title(self) -> float:
        """The title and its subtitle; gives where they end."""
        title = self.layout.get("title", {})
        subtitle = plain(title.get("subtitle", {}).get("text", ""))
        at_left: dict[str, Any] = {"ha": "left", "va": "top", "parse_math": False}
        self.image.text(0.02, 1 - 0.12 / HEIGHT, plain(title.get("text", "")), fontsize=13, color=INK, **at_left)
        self.image.text(0.02, 1 - 0.42 / HEIGHT, subtitle, fontsize=8.5, color=SOFT, linespacing=1.35, **at_left)
        return 1 - (0.6 + LINE_HEIGHT * len(subtitle.splitlines())) / HEIGHT

    def _draw_legend(self) -> float:
        """The legend; gives where it ends."""
        if not self.handles:
            return 0.62 / HEIGHT
        title = plain(self.layout.get("legend", {}).get("title", {}).get("text", ""))
        columns = min(LEGEND_COLUMNS, len(self.handles))
        self.image.legend(
            handles=self.handles, loc="lower left", bbox_to_anchor=(0.01, 0.0), ncols=columns, fontsize=8.5,
            title=title or None, title_fontsize=8.5, frameon=False, labelcolor=INK, alignment="left",
        )  # fmt: skip
        rows = -(-len(self.handles) // columns) + bool(title)
        return (0.72 + 0.2 * rows) / HEIGHT

    def _draw_panel(self, names: tuple[str, str], area: Bbox) -> None:
        layouts = [self.layout.get(f"{name[0]}axis{name[1:]}", {}) for name in names]
        traces = [trace for trace in self.traces if (trace.get("xaxis", "x"), trace.get("yaxis", "y")) == names]
        x, y = (
            PictureAxis(layout, [value for trace in traces for value in trace.get(direction) or ()])
            for layout, direction in zip(layouts, "xy", strict=True)
        )
        axes = self._panel(layouts, area)
        drawing = TraceDrawing(axes, x, y, self.layout)
        for trace in traces:
            shade = shade_of(self.traces.index(trace))
            self._draw_colors(axes, trace, drawing.draw(trace, shade, self._place(traces, trace)))
        x.draw(axes, "x")
        y.draw(axes, "y")
        axes.xaxis.label.set(color=INK, fontsize=9.5)
        axes.yaxis.label.set(color=INK, fontsize=9.5)
        self._draw_marks(axes, names, x, y)

    def _area(self, bottom: float, top: float) -> Bbox:
        """Where panels may lie: beside the texts of upright axes, and of a bar of colours."""
        upright = [layout for name, layout in self.layout.items() if name.startswith("yaxis")]
        longest = max((len(text) for layout in upright for text in self._upright_texts(layout)), default=0)
        begin = max(0.09, 0.03 + LETTER * longest / WIDTH)
        return Bbox.from_extents(begin, bottom, 0.92 if self._has_colors() else 0.975, top)

    def _panel(self, layouts: Sequence[Mapping[str, Any]], area: Bbox) -> Axes:
        """The axes at their place."""
        (x0, x1), (y0, y1) = (layout.get("domain", (0.0, 1.0)) for layout in layouts)
        place = (area.x0 + x0 * area.width, area.y0 + y0 * area.height, (x1 - x0) * area.width, (y1 - y0) * area.height)
        axes = self.image.add_axes(place)
        dress(axes)
        return axes

    def _upright_texts(self, layout: Mapping[str, Any]) -> list[str]:
        """The texts along an upright axis that need room beside it."""
        return [plain(text) for text in layout.get("ticktext") or layout.get("categoryarray") or ()]

    def _has_colors(self) -> bool:
        """Whether a bar of colours stands at the right."""
        return any(
            trace["type"] in ("heatmap", "contour") or "colorbar" in trace.get("marker", {}) for trace in self.traces
        )

    def _place(self, traces: Sequence[Mapping[str, Any]], trace: Mapping[str, Any]) -> tuple[float, float]:
        """The offset and the width of a trace among those that stand side by side at one name."""
        bars = [item for item in traces if item["type"] == "bar"]
        if trace["type"] == "bar":
            side_by_side = self.layout.get("barmode", "group") == "group" and not _are_apart(bars)
            return _slot(bars.index(trace), len(bars)) if side_by_side else (0.0, 0.7)
        groups = list(dict.fromkeys(item.get("offsetgroup") for item in traces if item.get("offsetgroup")))
        if self.layout.get("scattermode") != "group" or trace.get("offsetgroup") not in groups:
            return 0.0, 0.7
        return _slot(groups.index(trace.get("offsetgroup")), len(groups))

    def _draw_colors(self, axes: Axes, trace: Mapping[str, Any], mappable: Any) -> None:
        """The bar of colours."""
        if mappable is None or trace.get("showscale") is False:
            return
        bar = trace.get("colorbar") or trace.get("marker", {}).get("colorbar") or {}
        scale = self.image.colorbar(mappable, ax=axes, fraction=0.04, pad=0.02)
        if bar.get("tickvals") is not None:
            scale.set_ticks(list(bar["tickvals"]), labels=[plain(text) for text in bar["ticktext"]])
        scale.set_label(plain(bar.get("title", {}).get("text", "")), fontsize=9)
        scale.outline.set_visible(False)
        scale.ax.tick_params(labelsize=8.5, labelcolor=INK)

    def _draw_marks(self, axes: Axes, names: tuple[str, str], x: PictureAxis, y: PictureAxis) -> None:
        """Notes at places of the axes, and straight lines of this panel."""
        for note in self.layout.get("annotations", ()):
            if (note.get("xref", "x"), note.get("yref", "y")) == names:
                at = x.places([note["x"]])[0], y.places([note["y"]])[0]
                side = {"left": "left", "right": "right"}.get(note.get("xanchor", ""), "center")
                axes.text(*at, f" {plain(note['text'])}", ha=side, va="center", **_look(note))
        for shape in self.layout.get("shapes", ()):
            if shape.get("type") == "line" and shape.get("yref", "y") == names[1]:
                line = shape.get("line", {})
                axes.axhline(shape["y0"], color=color(line.get("color", SOFT)), lw=1, ls=dash(line.get("dash")))


def _look(note: Mapping[str, Any]) -> dict[str, Any]:
    return {"fontsize": note.get("font", {}).get("size", 12) * POINT, "color": INK, "parse_math": False}


def _slot(index: int, count: int) -> tuple[float, float]:
    width = 0.8 / max(count, 1)
    return (index - (count - 1) / 2) * width, width


def _are_apart(bars: Sequence[Mapping[str, Any]]) -> bool:
    """Whether no two of the traces have bars at one place."""
    places = [place for bar in bars for place in bar["y" if bar.get("orientation") == "h" else "x"]]
    return len(set(places)) == len(places)
