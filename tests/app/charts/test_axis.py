import math
from dataclasses import replace
from typing import Any

import plotly.graph_objects as go
import pytest

from app.charts.axis import axis_plan, draw_x_axis, with_room
from app.charts.rows import Axis
from app.charts.titles import axis_title, measure_title, value_title
from tests.support.sweeps.chart_examples import sweep


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ((8, 16, 32), "log"),
        ((0.1, 0.3, 1.0, 3.0), "log"),
        ((0.01, 1.0), "log"),
        ((1, 2, 3), "linear"),
        ((10, 20, 30), "linear"),
        ((0.1, 0.3), "linear"),
        ((0, 1, 10), "linear"),
    ],
)
def test_a_ladder_of_choices_has_a_log_axis(values: tuple[float, ...], scale: str) -> None:
    """Also one of thirds of a decade, whose steps are nearly equal; even steps have an even one."""
    assert axis_plan(Axis("x", choices=values), values).scale == scale


@pytest.mark.parametrize(
    ("choices", "texts"),
    [
        ((0.003, 0.03, 0.1, 0.2, 0.3, 0.5, 3.0), ["0.003", "0.03", "0.1", "0.2", "", "0.5", "3"]),
        (tuple(2**k for k in range(11)), [str(2**k) for k in range(11)]),
        ((5,), ["5"]),
    ],
)
def test_ticks_that_lie_close_have_no_names(choices: tuple[float, ...], texts: list[str]) -> None:
    """They keep their marks; where there is room all have their names."""
    figure = go.Figure()
    draw_x_axis(figure, axis_plan(Axis("x", choices=choices), choices))
    assert list(figure.layout.xaxis.ticktext) == texts
    assert list(figure.layout.xaxis.tickvals) == list(choices)


@pytest.mark.parametrize(
    ("scale", "values", "room"),
    [
        ("linear", [0.85, None, 0.85], [0.765, 0.935]),
        ("linear", [0], [-0.5, 0.5]),
        ("log", [64], [math.log10(32), math.log10(128)]),
        ("linear", [0.85, 0.86], None),
        ("category", ["relu"], None),
    ],
)
def test_a_lone_value_has_room_around_it(scale: str, values: list[Any], room: list[float] | None) -> None:
    """In proportion to it."""
    figure = go.Figure(go.Scatter(x=[0, 1, 2][: len(values)], y=values)).update_yaxes(type=scale)
    given = with_room(figure).layout.yaxis.range
    assert given is None if room is None else list(given) == pytest.approx(room)


def test_a_lone_value_with_bars_is_left_as_it_is() -> None:
    """The bars are what its axis is for."""
    figure = go.Figure(go.Scatter(x=[1], y=[0.85], error_y={"array": [0.3]}))
    assert with_room(figure).layout.yaxis.range is None


def test_a_unit_is_text_and_not_markup() -> None:
    """Whatever somebody calls the unit of a data set, plotly shows it so."""
    row = replace(sweep(Axis("depth"), metric="val_mae"), target="number", unit="<b>m</b>")
    titles = [value_title("val_mae", row.unit), axis_title("val_mae", row), measure_title("mae", row.unit)]
    assert all(title.endswith("(&lt;b&gt;m&lt;/b&gt;)") for title in titles)
