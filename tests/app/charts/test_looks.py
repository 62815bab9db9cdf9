from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations
from math import dist
from operator import mul

import plotly.graph_objects as go
import pytest

from app.charts.looks import GLYPHS, HUES, first_free, look_at, look_of
from app.charts.options import curves_options
from app.charts.progress.comparison import ComparedSweep, comparison_figure
from app.charts.progress.curves import curves_data, curves_figure
from app.charts.progress.regret import RegretOptions, regret_data
from app.charts.registry import CHARTS, Curves
from app.charts.rows import Axis, EpochMean
from app.domain.configuration import ACTIVATIONS
from tests.support.sweeps.chart_examples import complete, curve, sweep

SEARCH = sweep(Axis("learning_rate", log=True, ends=(0.01, 1.0)), Axis("activation", choices=("relu", "tanh")))
WIDTHS = sweep(Axis("hidden_units", choices=(1, 2, 4)), Axis("epochs"))
TRIALS = [complete(n, {"learning_rate": (n + 1) / 100, "activation": "relu"}, n / 100) for n in range(40)]


ALL_ACTIVATIONS = sweep(Axis("learning_rate", log=True), Axis("activation", choices=ACTIVATIONS))
MANY = [
    complete(n, params, 0.5 + n / 100)._replace(
        epochs=2,
        values=(0.5 + n / 100, 1.0),
        stds=(None, None),
        finished_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n),
    )
    for n, params in enumerate(
        [{"learning_rate": 0.1, "activation": name} for name in ACTIVATIONS * 2] + [{"learning_rate": 0.7}]
    )
]
ROWS: dict[str, Curves] = {
    "curves": [row for trial in MANY for row in curve(trial.number, 0, [0.1, 0.2])],
    "all_curves": [EpochMean(trial.number, epoch, 0.5, None, 1, 0) for trial in MANY for epoch in (1, 2)],
}


def legend_looks(figure: go.Figure) -> list[tuple[object, object, object]]:
    """What each line or cloud of the legend is told by: colour, symbol and dashes."""
    return [
        (trace.line.color or trace.marker.color, "markers" in trace.mode and trace.marker.symbol, trace.line.dash)
        for trace in figure.data
        if trace.name and trace.showlegend is not False
    ]


@pytest.mark.parametrize(
    ("name", "query", "lines"),
    [
        ("effect", {"x": "learning_rate", "color": "activation"}, 9),
        ("edf", {"color": "activation"}, 9),
        ("all_curves", {"group": "activation"}, 7),
        ("scatter", {"x": "seconds", "y": "val_accuracy", "color": "activation"}, 7),
        ("curves", {}, 12),
    ],
)
def test_no_two_lines_of_a_legend_look_alike(name: str, query: dict[str, str], lines: int) -> None:
    """However many there are for the palette; the legend shows symbols as large as the lines have them."""
    figure = CHARTS[name].figure(ALL_ACTIVATIONS, MANY, ROWS.get(name, []), query)
    looks = legend_looks(figure)
    assert len(set(looks)) == len(looks) >= lines
    assert all(isinstance(trace.marker.size, int | float | None) for trace in figure.data)


# Machado, Oliveira and Fernandes 2009: what is left of red, green and blue light without one kind of cones
CONES = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
WHITE = ((0.4124, 0.3576, 0.1805), 0.95047), ((0.2126, 0.7152, 0.0722), 1.0), ((0.0193, 0.1192, 0.9505), 1.08883)


def seen(hue: str, cones: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Where a colour lies in CIELAB, in which distances are about as large as they look."""
    parts = [int(hue[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    light = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    left = [min(max(sum(map(mul, row, light)), 0.0), 1.0) for row in cones]
    x, y, z = (max(sum(map(mul, row, left)) / white, 1e-9) ** (1 / 3) for row, white in WHITE)
    return 116 * y, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("kind", CONES)
def test_hues_differ_whatever_cones_one_has(kind: str) -> None:
    """By five times what can just be told apart side by side."""
    places = [seen(hue, CONES[kind]) for hue in HUES]
    assert min(dist(one, other) for one, other in combinations(places, 2)) > 5 * 2.3


def test_sweeps_that_are_compared_look_different() -> None:
    """Also where there are more of them than colours."""
    progress = regret_data(SEARCH, MANY, RegretOptions("trials"))
    looks = legend_looks(comparison_figure([ComparedSweep(n, "a", progress) for n in range(9)], "trials"))
    assert len(set(looks)) == len(looks) == 9


def test_a_trial_looks_the_same_whatever_else_is_drawn() -> None:
    """Of all trials or of some: the order in which curves are drawn changes no colour."""
    epochs = [row for n in range(40) for row in curve(n, 0, [0.1, n / 100])]
    drawn = []
    for trials in (TRIALS, TRIALS[:39], TRIALS[38:]):
        made = curves_figure(curves_data(SEARCH, trials, epochs))
        drawn.append({(trace.line.color, trace.marker.symbol) for trace in made.data if trace.legendgroup == "38"})
    assert drawn[0] == drawn[1] == drawn[2]
    assert (look_of(SEARCH, 38, {}).color, look_of(SEARCH, 38, {}).symbol) in drawn[0]


def test_looks_differ_by_symbols_where_colours_repeat() -> None:
    """42 places in a row look different, also to those who see no colours as far as there are symbols."""
    made = [look_at(place) for place in range(42)]
    assert len(set(made)) == 42
    by_number = [look_of(SEARCH, number, {}) for number in range(42)]
    assert len(set(by_number)) == 42
    assert len({look.color for look in by_number[:12:2]}) == 6
    assert all(len({look_of(SEARCH, step * n, {}).color for n in range(6)}) >= 4 for step in (1, 2, 3, 4, 5, 6, 8, 10))
    assert len({look.color for look in made[:6]}) == 6
    assert {look.glyph for look in made} == set(GLYPHS.values())


def test_named_trials_are_drawn_in_the_looks_of_their_places() -> None:
    """Colours by number would be the same for 3 and 15; an empty place leaves its look to another trial."""
    epochs = [row for n in (3, 15) for row in curve(n, 0, [0.1, n / 100])]
    for text, places in (("3,15", (0, 1)), ("15,,3", (2, 0)), (",3,15,3", (1, 2))):
        options = curves_options(SEARCH, {"trials": text})
        drawn = {made.trial: made.look for made in curves_data(SEARCH, TRIALS, epochs, options).curves}
        assert drawn == {number: look_at(place) for number, place in zip((3, 15), places, strict=True)}, text
    assert [first_free(places) for places in ([], [0, 1], [1, 2], [0, 2, 1])] == [0, 2, 0, 3]


def test_where_one_number_varies_colours_have_its_order() -> None:
    """A width has the colour of its place among the choices, so that the grid's curves form a scale."""
    shades = [
        look_of(WIDTHS, number, {"hidden_units": width, "epochs": 3}).color for number, width in enumerate((1, 2, 4))
    ]
    assert len(set(shades)) == 3
    assert look_of(WIDTHS, 17, {"hidden_units": 2}).color == shades[1]
    rates = sweep(Axis("learning_rate", log=True, ends=(0.01, 1.0)))
    assert look_of(rates, 5, {"learning_rate": 0.1}).color == shades[1]  # half-way by the logarithm
    assert look_of(rates, 5, {"learning_rate": 3.0}).color == shades[2]  # beyond the end, from a space that was wider


def test_every_chart_tells_pages_the_looks() -> None:
    """The hues and symbols by place."""
    figure = CHARTS["history"].figure(SEARCH, TRIALS)
    assert figure.layout.meta["looks"] == {"hues": HUES, "symbols": tuple(GLYPHS)}
    brushes = CHARTS["parallel_coordinates"].figure(SEARCH, TRIALS).layout.meta
    assert {"axes", "looks"} <= set(brushes)
