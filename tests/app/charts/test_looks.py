from app.charts.looks import GLYPHS, HUES, first_free, look_at, look_of
from app.charts.options import curves_options
from app.charts.progress.curves import curves_data, curves_figure
from app.charts.registry import CHARTS
from app.charts.rows import Axis
from tests.support.chart_examples import complete, curve, sweep

SEARCH = sweep(Axis("learning_rate", log=True, ends=(0.01, 1.0)), Axis("activation", choices=("relu", "tanh")))
WIDTHS = sweep(Axis("hidden_units", choices=(1, 2, 4)), Axis("epochs"))
TRIALS = [complete(n, {"learning_rate": (n + 1) / 100, "activation": "relu"}, n / 100) for n in range(40)]


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
