"""Figures of levels: where lines and their bars stand."""

from itertools import pairwise

import plotly.graph_objects as go
import pytest

from app.charts.rows import Axis, SweepRow
from app.domain.objectives import Objective
from app.exercises.answers.levels import Level
from app.exercises.figures import LevelLine, levels_figure

SWEEP = SweepRow("sweep", "fashion_mnist", "holdout", Objective("val_accuracy"), 2, {})
RATES = (0.01, 0.1, 1.0)


def line(name: str, *places: object) -> LevelLine:
    return LevelLine(name, [(place, Level(place, {0: 0.8, 1: 0.9})) for place in places])


def places_by_name(figure: go.Figure) -> dict[str, list[float]]:
    """Those of the means."""
    return {trace.name: list(trace.x) for trace in figure.data if trace.showlegend is not False}


def test_lines_at_one_place_stand_side_by_side() -> None:
    """In the order of the legend, about their tick, nearer to it than to the next; the hover text has its value."""
    lines = [line(name, *RATES) for name in ("one", "two", "three")]
    figure = levels_figure(SWEEP, "", Axis("learning rate", log=True, choices=RATES), lines)
    places = places_by_name(figure)
    assert list(figure.layout.xaxis.tickvals) == list(RATES)
    assert places["two"] == list(RATES)
    for left, tick, right in zip(places["one"], RATES, places["three"], strict=True):
        assert tick / 3 < left < tick < right < tick * 3
        assert left * right == pytest.approx(tick**2)
    texts = [trace.text for trace in figure.data if trace.text]
    assert [text[0] for text in texts] == [f"0.01<br>{name}<br>2 runs" for name in ("one", "two", "three")]
    linear = places_by_name(
        levels_figure(SWEEP, "", Axis("layers", choices=(0, 1, 2)), [line("a", 0, 1), line("b", 1)])
    )
    assert linear["a"][1] < 1 < linear["b"][0]
    assert all(high - low == pytest.approx(1) for low, high in pairwise(linear["a"]))


def test_lines_that_share_no_place_stand_on_their_ticks() -> None:
    """Sizes that are aligned and those between; and a line alone, or one place alone."""
    figure = levels_figure(SWEEP, "", Axis("size", choices=(8, 9, 16)), [line("aligned", 8, 16), line("between", 9)])
    assert places_by_name(figure) == {"aligned": [8, 16], "between": [9]}
    alone = levels_figure(SWEEP, "", Axis("size", choices=(8, 9)), [line("alone", 8, 9)])
    assert list(alone.data[1].x) == [8, 9]
    one = levels_figure(SWEEP, "", Axis("size", choices=(8,)), [line("a", 8), line("b", 8)])
    assert places_by_name(one) == {"a": [8], "b": [8]}


def test_a_close_up_shows_the_best_means_with_all_of_their_bars() -> None:
    """Of ten means the eight best, every one in its colour of the whole chart; the worst are counted, none is cut."""
    lines = [
        LevelLine("chance", [(0, Level(0, {0: 0.1, 1: 0.1})), (1, Level(1, {0: 0.2, 1: 0.2}))]),
        LevelLine("better", [(place, Level(place, {0: 0.8 + place / 100, 1: 0.9})) for place in range(8)]),
    ]
    axis = Axis("layers", choices=tuple(range(8)))
    whole, close = (levels_figure(SWEEP, "", axis, lines, best_share=share) for share in (1.0, 0.8))
    assert "close-up: the worst 2 means left out" in close.layout.title.subtitle.text
    assert "close-up" not in whole.layout.title.subtitle.text
    (shown,) = (trace for trace in close.data if trace.showlegend is not False)
    assert (shown.name, shown.line.color) == ("better", whole.data[3].line.color)
    low, high = close.layout.yaxis.range
    bars = zip(shown.y, shown.error_y.array, shown.error_y.arrayminus, strict=True)
    assert all(low < mean - below and mean + above < high for mean, above, below in bars)
    assert low > 0.7


def test_a_legend_of_many_lines_has_the_room_that_a_phone_needs() -> None:
    """Two fifths of the height: plotly would let readers scroll it, which nobody sees on paper."""
    figure = levels_figure(SWEEP, "", Axis("size", choices=(8, 9)), [line("alone", 8, 9)])
    assert figure.layout.legend.maxheight == pytest.approx(0.4)
