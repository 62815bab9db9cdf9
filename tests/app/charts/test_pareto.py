"""The Pareto chart: the front, its spread, its axes."""

from dataclasses import replace

from app.charts.pareto import ParetoOptions, pareto_data, pareto_figure
from app.charts.registry import CHARTS, chart
from app.charts.rows import TrialRow
from app.domain.objectives import Objective
from tests.support.sweeps.chart_examples import diverged, sweep, waiting

TWO = replace(sweep(), objectives=(Objective("val_accuracy"), Objective("parameters", maximize=False)))
THREE = replace(sweep(), objectives=(*TWO.objectives, Objective("seconds", maximize=False)))
AXES = ParetoOptions(x="parameters", y="val_accuracy")


def trial(number: int, *values: float) -> TrialRow:
    stds = (0.01, *(None for _ in values[1:]))
    return TrialRow(number, "complete", {"depth": number}, values[0], 0.01, values=values, stds=stds)


TRIALS = [trial(0, 0.9, 1000.0), trial(1, 0.8, 100.0), trial(2, 0.7, 200.0), trial(3, 0.95, 90_000.0)]


def test_the_front_is_marked_and_joined_in_the_order_of_x() -> None:
    """Trial 2 is beaten by trial 1 in both; sizes that lie far apart get a log axis."""
    data = pareto_data(TWO, [*TRIALS, diverged(4, {}), waiting(5, {})], AXES)
    assert [(point.x, point.y) for point in data.front] == [(100, 0.8), (1000, 0.9), (90_000, 0.95)]
    assert [(point.x, point.y) for point in data.dominated] == [(200, 0.7)]
    assert (data.x.scale, data.y.scale, data.joined) == ("log", "linear", True)
    assert "1 failed trial left out" in data.subtitle
    others, front = pareto_figure(data).data
    assert (others.mode, front.mode, front.name) == ("markers", "lines+markers", "Pareto front")
    assert list(front.error_y.array) == [0.01] * 3
    assert front.text[0] == "trial 1<br>depth 1"


def test_bars_are_told_of_where_there_are_bars() -> None:
    """With one seed there are none."""
    with_stds, *_ = TRIALS
    assert "bars: ± std over seeds" in pareto_data(TWO, [with_stds], AXES).subtitle
    without_stds = with_stds._replace(stds=(None, None))
    assert "bars" not in pareto_data(TWO, [without_stds], AXES).subtitle


def test_axes_have_units() -> None:
    """Names alone where there is none."""
    figure = pareto_figure(pareto_data(TWO, TRIALS, AXES))
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == (
        "Weights and biases",
        "Validation accuracy",
    )
    assert (figure.layout.xaxis.type, figure.layout.xaxis.dtick) == ("log", 1)
    assert figure.layout.title.text == "Validation accuracy against weights and biases"


def test_the_front_of_three_objectives_is_no_line() -> None:
    """A trial that is slow in nothing but accuracy and size may be on it for its time."""
    trials = [trial(0, 0.9, 100.0, 5.0), trial(1, 0.8, 200.0, 1.0), trial(2, 0.7, 300.0, 2.0)]
    data = pareto_data(THREE, trials, ParetoOptions("seconds", "val_accuracy"))
    assert [point.x for point in data.front] == [1.0, 5.0]
    assert not data.joined
    assert data.x.name == "Training time of a run (s)"


def test_it_is_a_chart_of_sweeps_with_several_objectives() -> None:
    """Others don't list it; asked for, it says why it is empty."""
    assert not CHARTS["pareto"].suits(sweep())
    assert CHARTS["pareto"].suits(TWO)
    assert len(chart("pareto").figure(TWO, TRIALS).data) == 2
    assert len(chart("pareto").figure(TWO, []).data) == 0
    (note,) = chart("pareto").figure(sweep(), TRIALS).layout.annotations
    assert note.text == "This sweep has one objective; a front needs several"
