"""The looks of traces as matplotlib takes them: colours, scales of colours, symbols, dashes and steps."""

import re
from collections.abc import Sequence
from typing import Any

from matplotlib import colormaps
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_rgba

Color = tuple[float, float, float, float]

_RGB = re.compile(r"rgba?\(([^)]*)\)")
_SYMBOLS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "triangle-down": "v",
    "cross": "P",
    "pentagon": "p",
    "hexagon": "h",
    "star": "*",
    "x": "X",
    "x-thin": "x",
    "cross-thin": "+",
    "line-ew": "_",
}
_DASHES = {"dot": ":", "dash": "--", "dashdot": "-.", "longdash": (0, (8, 3))}
_STEPS = {"hv": "steps-post", "vh": "steps-pre", "hvh": "steps-mid"}


def color(text: str, alpha: float = 1.0) -> Color:
    """`#1f86d1`, `rgb(31, 134, 209)` or `rgba(31,134,209,0.5)`, with a trace's opacity."""
    match = _RGB.fullmatch(text.strip())
    if match is None:
        red, green, blue, own = to_rgba(text)
        return red, green, blue, own * alpha
    red, green, blue, *rest = (float(part) for part in match[1].split(","))
    return red / 255, green / 255, blue / 255, (rest[0] if rest else 1.0) * alpha


def color_map(scale: Any) -> Colormap:
    """`Cividis`, or a list of stops."""
    if isinstance(scale, str):
        return colormaps[scale.lower()]
    return LinearSegmentedColormap.from_list("stops", [(float(place), color(text)) for place, text in scale])


def symbol(name: str) -> tuple[str, bool]:
    """A marker, and whether it is hollow: `circle-open`."""
    base = name.removesuffix("-open")
    return _SYMBOLS.get(base, "o"), name.endswith("-open")


def dash(name: str | None) -> Any:
    """The style of a line."""
    return _DASHES.get(name or "", "-")


def steps(shape: str | None) -> str:
    """How a line goes from point to point."""
    return _STEPS.get(shape or "", "default")


def numbers(values: Sequence[Any]) -> list[float]:
    """None as a gap."""
    return [float("nan") if value is None else float(value) for value in values]
