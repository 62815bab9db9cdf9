"""Places the values of a hyperparameter on an axis: evenly, by their logarithm, or by name."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import plotly.graph_objects as go

from app.charts.labels import label
from app.charts.rows import Axis
from app.charts.select import thinned
from app.domain.formatting import number
from app.domain.hyperparameters import is_number

Scale = Literal["linear", "log", "category"]
Place = float | str  # where a value lies on the axis

TICKS = 16  # with more choices, plotly finds the ticks
BAR_TICKS = 5  # values named beside a scale of colours
TICK_GAP = 1 / 16  # of the axis, between ticks with names
WHOLE_TICKS = 8  # the same for the whole numbers of a range


class AxisPlan(NamedTuple):
    """Where the values of a hyperparameter lie on an axis."""

    name: str
    scale: Scale
    places: list[Place]  # of the choices and the values that trials have, in order
    ticks: list[Place] | None  # the places to label; None leaves it to plotly


def axis_plan(axis: Axis, trial_values: Iterable[object]) -> AxisPlan:
    """Plans an axis. A ladder of choices such as 1, 2, 4 ... 1024 is a log one, as is what the space calls log."""
    values = [*(axis.choices or ()), *trial_values]
    if not all(map(is_number, values)):
        names: list[Place] = [*dict.fromkeys(map(label, values))]
        return AxisPlan(axis.name, "category", names, names)
    numbers = sorted({_float(value) for value in values})
    scale: Scale = "log" if numbers and numbers[0] > 0 and (axis.log or _spreads_out(numbers)) else "linear"
    number_places: list[Place] = [*numbers]
    few = len(numbers) <= (TICKS if axis.choices else WHOLE_TICKS) and (
        axis.choices or all(x == int(x) for x in numbers)
    )
    return AxisPlan(axis.name, scale, number_places, number_places if few else None)


def places(plan: AxisPlan, values: Iterable[object]) -> list[Place]:
    """Where the values lie."""
    return [*map(label, values)] if plan.scale == "category" else [*map(_float, values)]


def place_of(plan: AxisPlan, value: object) -> Place:
    """Where one value lies."""
    return places(plan, [value])[0]


def place_name(place: Place) -> str:
    """0.1, 256, relu: what a tick says."""
    return number(place) if isinstance(place, float) else place


def draw_x_axis(figure: go.Figure, plan: AxisPlan) -> None:
    """Gives the figure's x axis its title, scale and ticks."""
    figure.update_xaxes(**_axis_layout(plan))


def draw_y_axis(figure: go.Figure, plan: AxisPlan) -> None:
    """The same for its y axis."""
    figure.update_yaxes(**_axis_layout(plan))


def _axis_layout(plan: AxisPlan) -> dict[str, object]:
    layout: dict[str, object] = {"title_text": plan.name, "type": plan.scale}
    if plan.scale == "category":
        return layout | {"categoryorder": "array", "categoryarray": plan.places}
    if plan.ticks is not None:
        return layout | {"tickvals": plan.ticks, "ticktext": _tick_texts(plan, plan.ticks)}
    if plan.scale == "log" and _decades(plan.places) >= 1:
        return layout | {"dtick": 1}  # powers of ten: those between them crowd a phone
    return layout


def _tick_texts(plan: AxisPlan, ticks: Sequence[Place]) -> list[str]:
    """The names of the ticks, but of those that lie too near to the one before: a phone would print them over it."""
    levels = [math.log10(float(tick)) if plan.scale == "log" else float(tick) for tick in ticks]
    texts, latest = [], -math.inf
    for tick, level in zip(ticks, levels, strict=True):
        is_clear = level - latest >= TICK_GAP * (levels[-1] - levels[0])
        texts.append(place_name(tick) if is_clear else "")
        latest = level if is_clear else latest
    return texts


def whole_ticks(numbers: Sequence[int]) -> dict[str, object]:
    """The ticks of an axis of whole numbers: where it is short, one for each, as plotly would name fractions alike."""
    spans_few = not numbers or max(numbers) - min(numbers) <= WHOLE_TICKS
    return {"tickformat": "d"} | ({"dtick": 1} if spans_few else {})


def with_room(figure: go.Figure) -> go.Figure:
    """The figure, where an axis has a single value with room around it in proportion: plotly gives it -1 to 1.

    Values with error bars, and what is no point or line, are left to plotly.
    """
    for letter in ("x", "y"):
        places: dict[str, list[object]] = {}
        for trace in figure.data:
            name = (trace[f"{letter}axis"] if trace.type == "scatter" else None) or letter
            is_plain = trace.type == "scatter" and trace[f"error_{letter}"].array is None
            places.setdefault(name, []).extend((trace[letter] if is_plain else None) or ("not a number",))
        for name, values in places.items():
            layout = figure.layout[f"{letter}axis{name[1:]}"]
            if layout.range is None and layout.type != "category" and (lone := _lone_number(values)) is not None:
                layout.range = _range_around(lone, is_log=layout.type == "log")
    return figure


def _lone_number(values: Iterable[object]) -> float | None:
    """The one number that all of them are but for gaps, where they are."""
    numbers = (value for value in values if value is not None)
    lone = next(numbers, None)
    return float(lone) if isinstance(lone, int | float) and all(number == lone for number in numbers) else None


def _range_around(lone: float, *, is_log: bool) -> tuple[float, float]:
    """A factor of two to both sides, half of one for whole numbers, or a tenth."""
    if is_log:
        return math.log10(lone / 2), math.log10(lone * 2)
    half = 0.5 if lone == int(lone) else abs(lone) / 10
    return lone - half, lone + half


def color_bar(plan: AxisPlan) -> dict[str, object]:
    """The same plan for colours: a bar with a handful of its values as ticks, evenly or by their logarithm."""
    ticks = thinned(plan.places, BAR_TICKS)
    return {
        "title": {"text": plan.name, "side": "right"},
        "thickness": 12,
        "tickvals": [color_value(plan, place) for place in ticks],
        "ticktext": [place_name(place) for place in ticks],
    }


def color_value(plan: AxisPlan, value: object) -> float:
    """Where a number lies on a scale of colours, which plotly has no log of."""
    return math.log10(float(str(value))) if plan.scale == "log" else float(str(value))


def _decades(ordered_places: Sequence[Place]) -> float:
    return math.log10(float(ordered_places[-1]) / float(ordered_places[0]))


def _float(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _spreads_out(numbers: Sequence[float]) -> bool:
    """Whether they span two decades, or each is the same multiple of the one before: 8, 16, 32, or nearly 1, 3, 10."""
    ratios = [b / a for a, b in pairwise(numbers)]
    tolerance = 0.15 if ratios and min(ratios) >= 2 else 1e-6
    geometric = len(ratios) >= 2 and max(ratios) - min(ratios) < tolerance * max(ratios)
    return geometric or numbers[-1] >= 100 * numbers[0]
