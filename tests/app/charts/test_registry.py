from datetime import UTC, datetime

import pytest

from app.charts.registry import CHARTS, Curves, chart
from app.charts.rows import AttemptRow, Axis, EpochMean
from app.errors import InvalidError, NotFoundError
from tests.support.sweeps.chart_examples import complete, curve, sweep

SWEEP = sweep(Axis("epochs"), Axis("hidden_units", choices=(1, 2)))
ENDED = datetime(2025, 1, 1, tzinfo=UTC)
TRIALS = [
    complete(n, {"epochs": 3, "hidden_units": n + 1}, 0.5)._replace(started_at=ENDED, finished_at=ENDED) for n in (0, 1)
]


MEANS = [EpochMean(0, 1, 0.5, None, 1, 0)]
ATTEMPTS = [AttemptRow(n, "here, process 1", ENDED, ENDED, "complete", "") for n in (0, 1)]
CURVES: dict[str, Curves] = {
    "curves": curve(0, 0, [0.5]),
    "all_curves": MEANS,
    "heatmap": MEANS,
    "timeline": ATTEMPTS,
}


@pytest.mark.parametrize(
    "name",
    [
        "effect",
        "heatmap",
        "curves",
        "all_curves",
        "history",
        "regret",
        "parallel_coordinates",
        "slice",
        "rank",
        "edf",
        "timeline",
    ],
)
def test_every_chart_draws_something_and_nothing(name: str) -> None:
    """With rows and without them each chart is a valid figure as JSON."""
    assert len(chart(name).figure(SWEEP, TRIALS, CURVES.get(name, [])).data) > 0
    assert len(chart(name).figure(SWEEP, [], []).data) == 0
    assert '"layout"' in chart(name).figure(SWEEP, [], []).to_json()


def test_an_unknown_chart_is_told_which_exist() -> None:
    """404, with the names."""
    with pytest.raises(NotFoundError, match="no chart 'pie'; there are effect, heatmap, importance, curves, "):
        chart("pie")
    assert list(CHARTS)[:5] == ["effect", "heatmap", "importance", "curves", "all_curves"]
    assert list(CHARTS)[5:7] == ["diagnostics", "history"]
    assert list(CHARTS)[7:10] == ["regret", "parallel_coordinates", "slice"]
    assert list(CHARTS)[10:] == ["contour", "rank", "edf", "scatter", "timeline", "pareto"]


@pytest.mark.parametrize(
    ("name", "query", "option", "msg"),
    [
        (
            "effect",
            {"x": "width"},
            "x",
            "'width' is not a hyperparameter of this sweep; there are epochs, hidden_units",
        ),
        ("effect", {"color": "depth"}, "color", "'depth' is not a hyperparameter of this sweep"),
        ("effect", {"y": "depth"}, "y", "the chart effect has x, color, close, dependence"),
        ("rank", {"x": "epochs", "y": "epochs"}, "y", "must be another one than x, not 'epochs'"),
        ("effect", {"close": "yes"}, "close", "must be true or false, not 'yes'"),
        ("curves", {"measure": "f1"}, "measure", "must be accuracy or loss, not 'f1'"),
        (
            "diagnostics",
            {"measure": "size"},
            "measure",
            "must be one of dead, activations, gradients, classes, outputs",
        ),
        ("diagnostics", {"epoch": "-1"}, "epoch", "must be a whole number, 0 being before the first step, not '-1'"),
        ("pareto", {"x": "depth"}, "x", "'depth' is no objective of this sweep; there are val_accuracy"),
        ("history", {"x": "depth"}, "x", "the chart history has no options"),
        ("heatmap", {"y": "depth"}, "y", "'depth' is not a hyperparameter of this sweep"),
        ("heatmap", {"x": "hidden_units", "y": "hidden_units"}, "y", "must be another one than x"),
        ("importance", {"close": "1"}, "close", "must be true or false, not '1'"),
        ("all_curves", {"group": "depth"}, "group", "'depth' is not a hyperparameter of this sweep"),
        ("regret", {"x": "money"}, "x", "must be seconds, epochs or trials, not 'money'"),
    ],
)
def test_a_wrong_option_is_named(name: str, query: dict[str, str], option: str, msg: str) -> None:
    """422, with the option and what would be right."""
    with pytest.raises(InvalidError) as error:
        chart(name).figure(SWEEP, TRIALS, query=query)
    (field,) = error.value.errors
    assert field.loc == ("query", option)
    assert msg in field.msg


def test_without_x_the_effect_is_that_of_what_is_compared() -> None:
    """Choices come before a constant, and what the trials differ in before what they share."""
    assert chart("effect").figure(SWEEP, TRIALS).layout.xaxis.title.text == "hidden_units"
    ranges = sweep(Axis("epochs"), Axis("learning_rate", log=True))
    trials = [complete(n, {"epochs": 3, "learning_rate": 0.1 + n}, 0.5) for n in (0, 1)]
    assert chart("effect").figure(ranges, trials).layout.xaxis.title.text == "learning_rate"
    assert len(chart("effect").figure(sweep(), []).data) == 0
