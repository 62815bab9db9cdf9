import pytest

from app.charts.overview.edf import EdfOptions, edf_data, edf_figure
from app.charts.rows import Axis
from tests.support.sweeps.chart_examples import complete, sweep

SWEEP = sweep(Axis("depth"), Axis("activation", choices=("relu", "tanh")))
TRIALS = [
    complete(0, {"depth": 10, "activation": "tanh"}, 0.6),
    complete(1, {"depth": 2, "activation": "relu"}, 0.9),
    complete(2, {"depth": 2, "activation": "relu"}, 0.7),
    complete(3, {"depth": 2}, 0.8),
]


def test_at_each_value_stands_the_share_that_is_at_least_as_good() -> None:
    """The best alone is a quarter of four, and all reach the worst."""
    (line,) = edf_figure(edf_data(SWEEP, TRIALS, EdfOptions())).data
    assert list(line.text) == ["0.9000", "0.8000", "0.7000", "0.6000"]
    assert list(line.y) == [0.25, 0.5, 0.75, 1.0]
    assert list(line.x) == sorted(line.x, reverse=True)


def test_of_losses_the_lowest_are_the_best() -> None:
    """Better is always to the right."""
    (line,) = edf_figure(edf_data(sweep(metric="val_loss", maximize=False), TRIALS, EdfOptions())).data
    assert list(line.text) == ["0.6000", "0.7000", "0.8000", "0.9000"]
    assert list(line.x) == sorted(line.x, reverse=True)


@pytest.mark.parametrize(
    ("color", "names"), [("depth", ["2 (3)", "10 (1)"]), ("activation", ["tanh (1)", "relu (2)", "none (1)"])]
)
def test_a_hyperparameter_tells_lines_apart(color: str, names: list[str]) -> None:
    """Numbers by size; trials that lack it have a line too."""
    assert [line.name for line in edf_figure(edf_data(SWEEP, TRIALS, EdfOptions(color))).data] == names


def test_too_many_values_are_one_line() -> None:
    """Which the subtitle says."""
    trials = [complete(n, {"depth": n}, 0.5) for n in range(9)]
    data = edf_data(SWEEP, trials, EdfOptions("depth"))
    assert (len(data.groups), data.color) == (1, None)
    assert "depth has too many values for a line each" in data.subtitle
