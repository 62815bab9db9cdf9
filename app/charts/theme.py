"""One look for every chart: works on light and dark pages and at the width of a phone."""

from collections.abc import Sequence
from functools import cache

import plotly.graph_objects as go
from plotly.colors import sample_colorscale

# Okabe and Ito's palette for all kinds of colour vision, without its yellow (lost on white) and black (lost on black),
# its blue a little lighter
PALETTE = ("#1f86d1", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c")
SCALE = ((0.0, "#1f86d1"), (0.25, "#56b4e9"), (0.5, "#009e73"), (0.75, "#e69f00"), (1.0, "#d55e00"))
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "x")
DASHES = ("solid", "dash", "dot", "dashdot")
BEST = "#d55e00"

INK = "#767676"  # the grey that can be read on white and on black; a page's own colours come from CSS
LINE = "rgba(128,128,128,0.22)"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"

# For a page that shows charts: gives their texts and lines the page's colours (--chart-ink, --chart-line), live
CSS = """
.js-plotly-plot :is(.gtitle, .gtitle-subtitle, .xtitle, .ytitle, .legendtext, .legendtitletext, .annotation-text),
.js-plotly-plot :is([class$="tick"], .colorbar) text, .js-plotly-plot text[class$="title"] {
  fill: var(--chart-ink) !important; }
.js-plotly-plot .gridlayer path { stroke: var(--chart-line) !important; stroke-opacity: 1 !important; }
"""

Trace = dict[str, object]

_AXIS = {
    "automargin": True,
    "gridcolor": LINE,
    "linecolor": LINE,
    "zeroline": False,
    "ticks": "outside",
    "ticklen": 4,
    "tickcolor": LINE,
    "title": {"standoff": 10},
}

TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 12, "color": INK},
        "title": {
            "font": {"size": 16},
            "subtitle": {"font": {"size": 12, "color": INK}},
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 14, "l": 14},
        },
        "colorway": PALETTE,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 56, "r": 20, "t": 84, "b": 56},
        "xaxis": _AXIS | {"autotickangles": [0, 45, 90]},
        "yaxis": _AXIS,
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 0,
            "yref": "container",
            "yanchor": "bottom",
            "maxheight": 0.3,
            "tracegroupgap": 2,
            "title": {"side": "top", "font": {"size": 11}},
            "font": {"size": 11},
        },
        "hovermode": "closest",
        "hoverlabel": {"align": "left", "namelength": -1, "font": {"family": FONT, "size": 12}},
    }
)


def new_figure(title: str, subtitle: str = "") -> go.Figure:
    """An empty figure in our look. Both texts may use plotly's tags, the subtitle several lines."""
    figure = go.Figure(layout={"template": TEMPLATE, "title": {"text": title, "subtitle": {"text": subtitle}}})
    return figure.update_layout(margin_t=66 + 16 * (subtitle.count("<br>") + 1))


def scatter(**properties: object) -> Trace:
    """A scatter trace for add_trace, which checks it: a go.Scatter would be checked twice, half of a chart's time."""
    return {"type": "scatter", **properties}


@cache
def colors(n: int, *, ordered: bool = False) -> Sequence[str]:
    """n colours: from the palette, repeating, or along a scale when the things coloured have an order."""
    if not ordered or n < 2:
        return [PALETTE[i % len(PALETTE)] for i in range(n)]
    return list(sample_colorscale([list(stop) for stop in SCALE], [i / (n - 1) for i in range(n)]))


def symbol_at(place: int) -> str:
    """The symbol of what has the palette's colour at this place: where a colour comes again, it is another one."""
    return SYMBOLS[(place + place // len(PALETTE)) % len(SYMBOLS)]


def dash_at(place: int) -> str:
    """The same for lines without symbols, from the grey on, which some can hardly tell from the pink."""
    return DASHES[place // (len(PALETTE) - 1) % len(DASHES)]


def faded(color: str, alpha: float) -> str:
    """`#0072b2` or `rgb(0, 114, 178)` with an opacity."""
    if color.startswith("#"):
        channels: Sequence[object] = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    else:
        channels = color.removeprefix("rgb(").removesuffix(")").split(",")
    return f"rgba({','.join(str(channel).strip() for channel in channels)},{alpha:g})"
