"""The chart of one metric against another: its points, axes and what it leaves out."""

from dataclasses import replace

import pytest

from app.charts.lens import Lens, MetricLens
from app.charts.overview.scatter import ScatterOptions, scatter_data, scatter_figure
from app.charts.registry import chart
from app.charts.rows import Axis, TrialRow
from app.charts.titles import OWN_BEST
from app.errors import InvalidError
from tests.support.sweeps.chart_examples import complete, diverged, pruned, sweep, with_best

SWEEP = sweep(Axis("depth"), Axis("activation"))


def measured(trial: TrialRow, *values: float) -> TrialRow:
    return trial._replace(values=values, stds=(0.01, *(None for _ in values[1:])))


BEST = measured(complete(0, {"depth": 1, "activation": "relu"}, 0.9, 0.92), 0.91, 10.0)
TRIALS = [
    BEST,
    measured(complete(1, {"depth": 2, "activation": "tanh"}, 0.8, 0.8), 0.8, 1500.0),
    measured(pruned(2, {"depth": 3, "activation": "relu"}, 0.4), 0.4, 5.0),
    diverged(3, {"depth": 3, "activation": "relu"}, None),
    complete(4, {"depth": 2, "activation": "relu"}, 0.7),
]


def test_a_metric_is_drawn_against_the_time_it_took() -> None:
    """Times that lie far apart by their ratio; pruned ones hollow, the best a star, what lacks the metric counted."""
    data = scatter_data(with_best(SWEEP, BEST), TRIALS, ScatterOptions("seconds", "val_accuracy"))
    assert [(spot.x, spot.y, spot.trial) for cloud in data.clouds for spot in cloud.spots] == [
        (10, 0.91, 0),
        (1500, 0.8, 1),
    ]
    assert [(spot.x, spot.y) for spot in data.hollow] == [(5, 0.4)]
    assert data.star is not None
    assert (data.star.x, data.star.y) == (10, 0.91)
    assert "<b>0.9100 ± 0.0100</b><br>Training time of a run: 10 s<br>depth 1, activation relu" in data.star.text
    for note in ("hollow: 1 pruned", "1 trial without seconds left out", "1 failed trial left out"):
        assert note in data.subtitle
    figure = scatter_figure(data)
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "linear")
    assert (figure.layout.xaxis.title.text, figure.layout.title.text) == (
        "Training time of a run (s)",
        "Validation accuracy against training time of a run",
    )
    assert list(figure.data[1].customdata) == [0, 1]
    assert {trace.hovertemplate for trace in figure.data} == {"%{text}<extra></extra>"}  # which says the values


def test_a_metric_is_drawn_against_a_hyperparameter_in_the_colours_of_another() -> None:
    """Names keep their order, and each colour has a symbol of its own."""
    trials = [trial._replace(values=trial.values[:1], stds=trial.stds[:1]) for trial in TRIALS]
    data = scatter_data(SWEEP, trials, ScatterOptions("activation", "val_loss", "depth"))
    figure = scatter_figure(data)
    assert (data.title, figure.layout.xaxis.title.text) == ("Validation loss against activation", "activation")
    clouds = {trace.name: (list(trace.x), trace.marker.symbol) for trace in figure.data[1:]}
    assert clouds == {"1": (["relu"], "circle"), "2": (["tanh"], "square")}
    assert figure.layout.legend.title.text == "depth"


@pytest.mark.parametrize(
    ("metric", "x", "notes"),
    [
        (MetricLens(), "val_loss", ["each point a trial, after its last epoch"]),
        (MetricLens("at_epoch", 5), "val_loss", ["each point a trial"]),
        (MetricLens("best"), "val_loss", ["each point a trial", OWN_BEST]),
        (MetricLens("best"), "seconds", ["each point a trial"]),
    ],
)
def test_points_are_told_as_the_lens_sees_them(metric: MetricLens, x: str, notes: list[str]) -> None:
    """After the last epoch only where no other one counts; of two metrics each has a best epoch of its own."""
    row, trials = Lens(metric).through(replace(SWEEP, seeds=1), TRIALS)
    lines = scatter_data(row, trials, ScatterOptions(x, "val_accuracy")).subtitle.split("<br>")
    assert [line for line in lines if line.startswith("each")] == notes


@pytest.mark.parametrize(
    ("query", "option", "msg"),
    [
        ({"x": "width"}, "x", "'width' is neither a metric nor a hyperparameter of this sweep; there are val_accuracy"),
        ({"y": "depth"}, "y", "'depth' is no metric of this sweep; there are val_accuracy, val_loss"),
        ({"color": "seconds"}, "color", "'seconds' is not a hyperparameter"),
    ],
)
def test_a_wrong_axis_says_what_would_be_right(query: dict[str, str], option: str, msg: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        chart("scatter").figure(SWEEP, TRIALS, query=query)
    (error,) = refusal.value.errors
    assert (error.loc, msg in error.msg) == (("query", option), True)
