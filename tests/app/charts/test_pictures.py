"""Pictures of charts: what matplotlib draws has the places, scales and texts of the figure."""

import xml.etree.ElementTree as ET

import numpy as np
import plotly.graph_objects as go
import pytest
from matplotlib.patches import Rectangle

from app.charts.pictures import picture
from app.charts.pictures.picture import drawn_image
from app.charts.registry import CHARTS, Curves
from app.charts.rows import Axis, EpochMean
from tests.support.sweeps.chart_examples import complete, curve, diverged, pruned, sweep, with_best

SWEEP = sweep(Axis("learning_rate", log=True), Axis("activation", choices=("relu", "tanh")))
TRIALS = [
    complete(n, {"learning_rate": 0.001 * 4**n, "activation": ("relu", "tanh")[n % 2]}, 0.3 + 0.08 * n, 0.32 + 0.08 * n)
    for n in range(6)
] + [
    pruned(6, {"learning_rate": 0.1, "activation": "relu"}, 0.2),
    diverged(7, {"learning_rate": 9.0, "activation": "tanh"}, None),
]
ROW = with_best(SWEEP, TRIALS[5])


def chart_figure(name: str, **query: str) -> go.Figure:
    rows: dict[str, Curves] = {"curves": curve(0, 0, [0.5, 0.6]), "heatmap": [EpochMean(0, 1, 0.5, None, 1, 0)]}
    return CHARTS[name].figure(ROW, TRIALS, rows.get(name, []), query)


@pytest.mark.parametrize("name", sorted(CHARTS))
def test_every_chart_is_a_picture(name: str) -> None:
    """With something to show or nothing; an SVG has its title as a text."""
    for figure in (chart_figure(name), CHARTS[name].figure(SWEEP, [], [])):
        root = ET.fromstring(picture(figure, "svg"))
        texts = {"".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")}
        assert not figure.layout.title.text or figure.layout.title.text in texts
    assert picture(chart_figure(name), "png").startswith(b"\x89PNG\r\n")


def test_dollars_are_no_formula() -> None:
    """In a legend, along an axis and beside a note; between two of them anything may stand."""
    price = r"$\nothing{$"
    figure = go.Figure([go.Scatter(x=[price, "b"], y=[1, 2], name=price), go.Bar(x=["b"], y=[1], name="b")])
    figure.update_layout(title_text=price, yaxis_title_text=price)
    figure.add_annotation(x="b", y=1, text=price)
    assert picture(figure, "svg").decode().count(price) >= 4
    assert picture(figure, "png").startswith(b"\x89PNG\r\n")


def test_points_and_scales_are_those_of_the_figure() -> None:
    """On a log axis, with the points of each trace, and the legend's names."""
    figure = chart_figure("effect", x="learning_rate")
    image = drawn_image(figure)
    (axes,) = image.axes
    assert axes.get_xscale() == "log"
    places = {
        tuple(round(float(v), 6) for v in place)
        for group in axes.collections
        for place in np.asarray(group.get_offsets())
    }
    expected = {(t.params["learning_rate"], t.value) for t in TRIALS if t.value is not None}
    assert {(round(float(str(x)), 6), round(y, 6)) for x, y in expected} <= places
    names = {text.get_text() for text in image.legends[0].get_texts()}
    assert {"configuration", "pruned, last value", "best configuration (2 runs)"} <= names
    assert axes.get_xlabel() == "learning_rate"


def test_cells_of_a_heat_map_lie_between_its_borders() -> None:
    """With the bar of colours in values of the metric."""
    trials = [
        complete(2 * i + j, {"depth": i, "activation": ("relu", "tanh")[j]}, 0.5 + 0.2 * i)
        for i in (0, 1)
        for j in (0, 1)
    ]
    row = sweep(Axis("depth", choices=(0, 1)), Axis("activation", choices=("relu", "tanh")))
    figure = CHARTS["heatmap"].figure(row, trials, [], {"x": "depth", "y": "activation"})
    axes, bar = drawn_image(figure).axes
    (mesh,) = (item for item in axes.collections if item.get_array() is not None)
    assert [round(float(z), 3) for z in np.asarray(mesh.get_array(), dtype=float).ravel()] == [
        0.301,
        0.523,
        0.301,
        0.523,
    ]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["relu", "tanh"]
    assert next(text.get_text() for text in bar.get_yticklabels()) == "0.5"


def test_bars_and_panels() -> None:
    """Stacked bars begin where those below end; each panel has its own axes."""
    bars = go.Figure([{"type": "bar", "x": ["a", "b"], "y": [1, 2]}, {"type": "bar", "x": ["a", "b"], "y": [3, 4]}])
    axes = drawn_image(bars.update_layout(barmode="stack")).axes[0]
    assert [(bar.get_y(), bar.get_height()) for bar in axes.patches if isinstance(bar, Rectangle)] == [
        (0, 1),
        (0, 2),
        (1, 3),
        (2, 4),
    ]
    panels = go.Figure(
        [
            {"type": "scatter", "x": [1, 2], "y": [3, 4]},
            {"type": "scatter", "x": [1], "y": [9], "xaxis": "x2", "yaxis": "y2"},
        ],
        {"xaxis": {"domain": [0, 0.4]}, "xaxis2": {"domain": [0.6, 1]}, "yaxis2": {"anchor": "x2"}},
    )
    left, right = drawn_image(panels).axes
    assert left.get_position().x1 < right.get_position().x0


def test_a_kind_that_is_not_known_is_refused() -> None:
    """A picture without it would show less than the chart."""
    with pytest.raises(ValueError, match="no traces of the kind pie"):
        picture(go.Figure([{"type": "pie", "values": [1, 2]}]), "png")
