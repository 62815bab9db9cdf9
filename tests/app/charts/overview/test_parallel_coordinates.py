import pytest

from app.charts.overview.parallel_coordinates import parallel_data, parallel_figure
from app.charts.rows import Axis
from tests.support.sweeps.chart_examples import complete, diverged, sweep, with_best

SWEEP = sweep(Axis("learning_rate", log=True), Axis("activation", choices=("relu", "tanh")), Axis("momentum"))
TRIALS = [
    complete(0, {"learning_rate": 0.01, "activation": "tanh", "epochs": 3}, 0.9),
    complete(1, {"learning_rate": 0.1, "activation": "relu", "epochs": 3, "momentum": 0.5}, 0.5),
    complete(2, {"learning_rate": 1.0, "activation": "relu", "epochs": 3, "momentum": 0.9}, 0.99),
    diverged(3, {"learning_rate": 9.0, "activation": "relu", "epochs": 3}, None),
]


def test_each_hyperparameter_that_varies_has_an_axis() -> None:
    """By its logarithm, by name, and where a condition leaves it out below all its values; the value is the last."""
    data = parallel_data(with_best(SWEEP, TRIALS[2]), TRIALS)
    by_name = {item.name: item for item in data.dimensions}
    assert list(by_name) == ["learning_rate", "activation", "momentum", "value"]
    assert by_name["learning_rate"].places == pytest.approx([-1, -2, 0])  # the best is the last, on top
    assert dict(zip(by_name["activation"].texts, by_name["activation"].ticks, strict=True)) == {"relu": 0, "tanh": 1}
    assert by_name["activation"].places == [0, 1, 0]
    momentum = by_name["momentum"]
    assert momentum.texts[0] == "none"
    assert momentum.places == [0.5, momentum.ticks[0], 0.9]
    assert momentum.ticks[0] < 0.5
    assert list(by_name["value"].places) == sorted(by_name["value"].places)
    assert "1 failed trial left out" in data.subtitle
    assert (data.best, data.best_name) == (2, "best configuration (1 run)")


def test_ticks_of_whole_numbers_are_whole() -> None:
    """None twice, and none where there are few choices but theirs."""
    trials = [complete(n, {"hidden_units": 3 + n * n}, 0.5 + n / 100) for n in range(12)]
    (units, _) = parallel_data(sweep(Axis("hidden_units")), trials).dimensions
    assert all(text.isdigit() for text in units.texts)
    assert len(set(units.texts)) == len(units.texts) <= 6
    (units, _) = parallel_data(sweep(Axis("hidden_units", choices=(3, 4, 7))), trials[:3]).dimensions
    assert units.texts == ["3", "4", "7"]


def test_without_anything_to_compare_it_says_so() -> None:
    """Trials that differ in nothing have no axes."""
    alike = [complete(n, {"epochs": 3}, 0.5) for n in range(2)]
    (note,) = parallel_figure(parallel_data(SWEEP, alike)).layout.annotations
    assert note.text == "The trials differ in no hyperparameter"
    assert parallel_figure(parallel_data(SWEEP, [])).layout.annotations[0].text == "No finished trial yet"


def test_lines_are_shaded_by_their_value_and_the_best_stands_out() -> None:
    """A point on each axis and a gap behind it; the highest is the best."""
    figure = parallel_figure(parallel_data(with_best(SWEEP, TRIALS[2]), TRIALS))
    assert len({trace.line.color for trace in figure.data}) == 4
    best = figure.data[-1]
    assert (best.name, list(best.x), list(best.y)) == (
        "best configuration (1 run)",
        [0, 1, 2, 3, None],
        [1.0, 0.0, 1.0, 1.0, None],
    )
    assert "trial 2" in best.text[0]
    assert list(figure.layout.xaxis.ticktext) == ["learning_rate", "activation", "momentum", "value"]


def test_the_best_is_drawn_among_many() -> None:
    """Also where every n-th configuration is."""
    trials = [complete(n, {"depth": n}, 0.5 + (n == 3) / 10) for n in range(1_500)]
    data = parallel_data(with_best(sweep(Axis("depth")), trials[3]), trials)
    assert data.best == len(data.texts) - 1
    assert "of 1,500 configurations drawn" in data.subtitle
