"""What a forest expects: along one hyperparameter in the chart of its effect, and over two in the contour."""

import math
import random

import pytest

from app.charts.effect import EffectOptions, effect_data, effect_figure
from app.charts.landscape.contour import contour_data, contour_figure
from app.charts.landscape.plane import PlaneOptions
from app.charts.registry import CHARTS
from app.charts.rows import Axis, TrialRow
from tests.support.sweeps.chart_examples import complete, sweep

SWEEP = sweep(Axis("learning_rate", log=True), Axis("width"), Axis("activation", choices=("relu", "tanh")))


def trials_of(count: int, gap: float = 0.0) -> list[TrialRow]:
    """The value falls by 0.1 a decade from a rate of 1 downwards; tanh has 0.2 less, and is preferred at high rates.

    gap: the share of the decades from the lowest rate on in whose middle nothing was tried.
    """
    numbers = random.Random(3)
    trials = []
    for number in range(count):
        place = numbers.random()
        if abs(place - 0.5) < gap:
            place = 0.1
        name = "tanh" if numbers.random() < place else "relu"
        value = 0.9 - 0.3 * (1 - place) - 0.2 * (name == "tanh")
        params = {"learning_rate": 10 ** (3 * place - 3), "width": numbers.randrange(4, 64), "activation": name}
        trials.append(complete(number, params, value))
    return trials


def test_the_others_are_averaged_as_they_were_tried() -> None:
    """The best found at high rates has few relu; what a forest expects rises with the rate all the same."""
    data = effect_data(SWEEP, trials_of(300), EffectOptions("learning_rate", dependence=True))
    expected = data.expected
    assert expected is not None
    mean = [value for value in expected.mean if value is not None]
    assert mean == pytest.approx([0.9 - 0.3 * (1 - (k + 0.5) / 12) - 0.1 for k in range(12)], abs=0.05)
    assert all(low <= value <= high for low, value, high in zip(expected.low, mean, expected.high, strict=True))  # type: ignore[operator]
    assert len(expected.lines) == 20
    assert (data.envelope, "a forest expects" in data.subtitle) == ([], True)


def test_it_is_cut_where_nothing_was_tried() -> None:
    """Lines and band have a gap there."""
    data = effect_data(SWEEP, trials_of(300, gap=0.2), EffectOptions("learning_rate", dependence=True))
    assert data.expected is not None
    empty = [index for index, value in enumerate(data.expected.mean) if value is None]
    assert empty == [4, 5, 6, 7]
    assert all(line[index] is None for line in data.expected.lines for index in empty)
    band = next(trace for trace in effect_figure(data).data if trace.fill == "toself")
    assert [index for index, y in enumerate(band.y) if y is None] == [8, 17]


@pytest.mark.parametrize(
    ("count", "note"), [(5, "no partial dependence: Too few configurations to tell: 5 of at least 20")]
)
def test_without_trials_enough_it_says_why(count: int, note: str) -> None:
    """And shows what it shows without."""
    data = effect_data(SWEEP, trials_of(count), EffectOptions("learning_rate", dependence=True))
    assert data.expected is None
    assert data.envelope
    assert note in data.subtitle


def test_what_was_tried_again_counts_once() -> None:
    """In the effect and in the contour: what a forest expects of copies is what it expects of one of each."""
    trials = trials_of(60)
    copies = [
        trial._replace(number=trial.number + 60 * copy, configuration=f"configuration {trial.number}")
        for copy in range(3)
        for trial in trials
    ]
    once, often = (
        effect_data(SWEEP, rows, EffectOptions("learning_rate", dependence=True)).expected for rows in (trials, copies)
    )
    assert once == often
    assert once is not None
    contours = [contour_data(SWEEP, rows, PlaneOptions("learning_rate", "width")).expected for rows in (trials, copies)]
    assert contours[0] == contours[1]
    few = [trial for trial in copies if trial.number % 60 < 15]
    assert contour_data(SWEEP, few, PlaneOptions()).reason == "Too few configurations to tell: 15 of at least 20"


def test_names_are_in_the_order_of_the_space() -> None:
    """Also in the contour, whose cells are names there."""
    data = effect_data(SWEEP, trials_of(300), EffectOptions("activation", dependence=True))
    assert data.expected is not None
    assert list(data.expected.x) == ["relu", "tanh"]
    relu, tanh = (value for value in data.expected.mean if value is not None)
    assert relu - tanh == pytest.approx(0.2, abs=0.03)


def test_a_contour_is_cut_where_nothing_is_near() -> None:
    """With a scale of the metric's values; the points are what was tried."""
    trials = trials_of(300, gap=0.25)
    data = contour_data(SWEEP, trials, PlaneOptions("learning_rate", "width"))
    middle = [row[6] for row in data.expected]
    assert all(value is None for value in middle)
    low, high = [row[0] for row in data.expected if row[0]], [row[-1] for row in data.expected if row[-1]]
    assert max(filter(None, low)) < min(filter(None, high))
    assert data.columns == sorted(data.columns, key=float)
    assert len(data.spots) == 300
    surface, points = contour_figure(data).data
    assert (surface.type, points.customdata[7]) == ("contour", 7)
    by_name = contour_data(SWEEP, trials, PlaneOptions("learning_rate", "activation"))
    assert contour_figure(by_name).data[0].type == "heatmap"


def test_ranks_go_from_the_best_to_the_worst() -> None:
    """However far the worst lies off; without y the value is on that axis, and the best point is the last one drawn."""
    trials = trials_of(11)
    figure = CHARTS["rank"].figure(SWEEP, trials, query={"x": "learning_rate"})
    (points,) = figure.data
    assert [round(rank, 1) for rank in points.marker.color] == [round(1 - k / 10, 1) for k in range(11)]
    assert list(points.y) == sorted(points.y)
    assert "better than 100%" in points.text[-1]
    pair = CHARTS["rank"].figure(SWEEP, trials, query={"x": "learning_rate", "y": "activation"})
    assert set(pair.data[0].y) <= {"relu", "tanh"}
    assert pair.layout.yaxis.type == "category"


def test_slices_are_panels_of_what_varies() -> None:
    """One for each hyperparameter, with its own axis; on the robust axis by the error."""
    trials = trials_of(12)
    figure = CHARTS["slice"].figure(SWEEP, trials)
    axes = (figure.layout.xaxis, figure.layout.xaxis2, figure.layout.xaxis3)
    assert [axis.title.text for axis in axes] == ["learning_rate", "width", "activation"]
    by_name = {trace.name: trace for trace in figure.data}
    assert list(by_name["learning_rate"].x) == [trial.params["learning_rate"] for trial in trials]
    assert list(by_name["activation"].customdata) == list(range(12))
    robust = CHARTS["slice"].figure(SWEEP, trials, robust=True)
    assert robust.data[0].y[0] == pytest.approx(-math.log10(1 - (trials[0].value or 0)), abs=1e-4)


def test_planes_without_anything_to_compare_say_so() -> None:
    """A chart without data."""
    alike = [complete(number, {"width": 8}, 0.5) for number in range(30)]
    for name, reason in (
        ("contour", "The trials do not differ in two hyperparameters"),
        ("rank", "No finished trial yet"),
    ):
        figure = CHARTS[name].figure(SWEEP, alike if name == "contour" else [])
        assert (len(figure.data), figure.layout.annotations[0].text) == (0, reason)
