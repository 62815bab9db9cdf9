"""The axes of a figure on a picture: their places, scales, ticks and titles."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from app.charts.pictures.looks import numbers
from app.charts.pictures.texts import formatted, plain
from app.charts.theme import INK
from app.domain.formatting import number

LINE = "#d9dee3"
TICKS = 7

Layout = Mapping[str, Any]


class PictureAxis:
    """One axis of the layout: where values lie on it, and how it looks."""

    def __init__(self, layout: Layout, values: Sequence[Any]) -> None:
        self.layout = layout
        kind = layout.get("type")
        by_name = kind == "category" or (kind in (None, "-") and any(isinstance(value, str) for value in values))
        self.names = list(dict.fromkeys([*layout.get("categoryarray", ()), *values])) if by_name else None
        self.is_log = kind == "log"

    def places(self, values: Sequence[Any]) -> list[float]:
        """Where values lie: names by their number."""
        if self.names is None:
            return numbers(values)
        by_name = {name: float(place) for place, name in enumerate(self.names)}
        return [by_name.get(value, math.nan) for value in values]

    def draw(self, axes: Axes, direction: str) -> None:
        """Gives the axes of the picture this one's scale, range, ticks and title; `direction` is x or y."""
        axis = axes.xaxis if direction == "x" else axes.yaxis
        if self.is_log:
            axes.set(**{f"{direction}scale": "log"})
        self._draw_range(axes, direction)
        self._draw_ticks(axis)
        axis.set_label_text(plain(self._title()), parse_math=False)
        if self.layout.get("visible") is False:
            axis.set_visible(False)

    def _title(self) -> str:
        title = self.layout.get("title", {})
        return title if isinstance(title, str) else title.get("text", "")

    def _draw_range(self, axes: Axes, direction: str) -> None:
        limits = self.layout.get("range")
        if limits is not None and None not in limits:
            ends = [10.0**end for end in limits] if self.is_log else list(limits)
            axes.set(**{f"{direction}lim": ends})
        elif self.names is not None:
            axes.set(**{f"{direction}lim": (-0.5, len(self.names) - 0.5)})
        elif self.layout.get("rangemode") == "tozero":
            low, high = axes.get_xlim() if direction == "x" else axes.get_ylim()
            axes.set(**{f"{direction}lim": (min(0.0, low) if low < 0 else 0.0, high)})
        if self.layout.get("autorange") == "reversed":
            axes.invert_xaxis() if direction == "x" else axes.invert_yaxis()

    def _draw_ticks(self, axis: Any) -> None:
        ticks, texts = self.layout.get("tickvals"), self.layout.get("ticktext")
        if ticks is not None:
            shown_texts = texts if texts is not None else [str(tick) for tick in ticks]
            self._fix(axis, self.places(list(ticks)), [plain(text) for text in shown_texts])
        elif self.names is not None:
            self._fix(axis, [float(place) for place in range(len(self.names))], list(map(plain, self.names)))
        elif self.is_log:
            self._draw_decades(axis)
        else:
            whole = self.layout.get("tickformat") == "d"
            axis.set_major_locator(MaxNLocator(TICKS, integer=whole, steps=[1, 2, 5, 10]))
            axis.set_major_formatter(
                FuncFormatter(lambda value, _: formatted(value, self.layout.get("tickformat", "")))
            )

    def _draw_decades(self, axis: Any) -> None:
        """Powers of ten; on a shorter axis 2 and 5 times of them too."""
        low, high = sorted(axis.get_view_interval())
        subs = (1.0,) if high >= 100 * max(low, 1e-300) else (1.0, 2.0, 5.0)
        axis.set_major_locator(LogLocator(base=10, subs=subs))
        axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        axis.set_minor_formatter(NullFormatter())

    def _fix(self, axis: Any, places: Sequence[float], texts: Sequence[str]) -> None:
        axis.set_major_locator(FixedLocator(list(places)))
        axis.set_minor_locator(NullLocator())
        by_place = dict(zip(places, texts, strict=True))
        axis.set_major_formatter(FuncFormatter(lambda value, _: by_place.get(value, "")))
        if sum(map(len, texts)) > 70 and axis.axis_name == "x":
            axis.set_tick_params(labelrotation=40)


def dress(axes: Axes) -> None:
    """The look of all axes: a light grid, no frame."""
    axes.set_axisbelow(True)
    axes.grid(True, color=LINE, linewidth=0.7)
    axes.tick_params(colors=INK, labelcolor="#39414a", labelsize=9)
    for side in axes.spines.values():
        side.set_visible(False)
