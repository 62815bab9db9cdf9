import math
from dataclasses import replace

import pytest

from app.charts.configurations import mean_and_std
from app.charts.lens import WHOLE, Lens, MetricLens, condition, divide, parse_lens, refuse_metric
from app.charts.progress.history import history_data
from app.charts.registry import CHARTS
from app.charts.rows import Axis, EpochMean, RunRow
from app.errors import InvalidError
from tests.support.sweeps.chart_examples import complete, diverged, pruned, sweep, with_best

SWEEP = sweep(Axis("depth"), Axis("learning_rate", log=True), Axis("activation"))
TRIALS = [
    complete(0, {"depth": 1, "learning_rate": 0.1, "activation": "relu"}, 0.5, 0.7),
    complete(1, {"depth": 2, "learning_rate": 0.01, "activation": "relu"}, 0.9, 0.9),
    complete(2, {"depth": 1, "learning_rate": 0.5, "activation": "tanh"}, 0.8, 0.8),
    pruned(3, {"depth": 1, "learning_rate": 0.2, "activation": "tanh"}, 0.3),
    diverged(4, {"depth": 2, "learning_rate": 0.9}, None),
]


def seen(**query: str) -> list[int]:
    return [trial.number for trial in parse_lens(SWEEP, query).through(SWEEP, TRIALS)[1]]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"state": "complete"}, [0, 1, 2]),
        ({"state": "pruned,failed"}, [3, 4]),
        ({"where": "depth=1"}, [0, 2, 3]),
        ({"where": "depth!=1"}, [1, 4]),
        ({"where": "learning_rate<0.2"}, [0, 1]),
        ({"where": "learning_rate>=0.2,depth=1"}, [2, 3]),
        ({"where": "activation=tanh"}, [2, 3]),
        ({"where": "activation!=tanh"}, [0, 1]),
        ({"where": "learning_rate=1e-1"}, [0]),
        ({"top": "34"}, [1, 2]),
        ({"top": "1"}, [1]),
        ({"top": "50", "where": "depth=1"}, [2]),
    ],
)
def test_it_shows_the_trials_that_pass(query: dict[str, str], numbers: list[int]) -> None:
    """By state, by hyperparameters, and of those that are left the best; a trial without one has no value of it."""
    assert seen(**query) == numbers


@pytest.mark.parametrize(("top", "numbers"), [(33, [1]), (34, [0, 1, 2]), (100, [0, 1, 2, 3, 4])])
def test_the_best_are_configurations_with_all_their_trials(top: float, numbers: list[int]) -> None:
    """By the means over all their runs, as on pages; one of which a run diverged has none."""
    values = [(0, "lucky", 0.95), (1, "steady", 0.9), (2, "lucky", 0.5), (3, "poor", 0.6), (4, "broken", 0.99)]
    trials = [
        complete(number, {}, value)._replace(
            runs=[RunRow(number, value)], configuration=configuration, without_mean=configuration == "broken"
        )
        for number, configuration, value in values
    ]
    assert [trial.number for trial in Lens(top=top).sight(SWEEP, trials).trials] == numbers


def test_what_it_shows_is_said_on_the_chart() -> None:
    """With how many trials that are; the whole has no note."""
    row, trials = parse_lens(SWEEP, {"where": "depth=1,learning_rate<0.2", "top": "50"}).through(SWEEP, TRIALS)
    lines = history_data(row, trials).subtitle.split("<br>")
    assert lines[1:3] == ["depth = 1 · learning_rate &lt; 0.2 · the best 50 %", "1 of 5 trials"]
    assert WHOLE.through(SWEEP, TRIALS)[0].lens == ""


def test_the_best_is_that_of_the_sweep_or_out_of_sight() -> None:
    """The lens chooses no best of its own; its value is the one through the lens."""
    row = with_best(SWEEP, TRIALS[1])
    assert Lens(top=40.0).through(row, TRIALS)[0].best == row.best
    assert parse_lens(SWEEP, {"where": "depth=1"}).through(row, TRIALS)[0].best is None
    mean, std = mean_and_std([0.91, 0.95])
    other_epoch = [trial._replace(value=mean, std=std) if trial.number == 1 else trial for trial in TRIALS]
    best = replace(WHOLE, metric=MetricLens("best")).through(row, other_epoch)[0].best
    assert best is not None
    assert best.number == 1
    assert best.value == pytest.approx(0.93)


@pytest.mark.parametrize(
    ("query", "option", "msg"),
    [
        (
            {"metric": "first"},
            "metric",
            "must be last, best, mean_last=k or at_epoch=n with a whole number, not 'first'",
        ),
        ({"metric": "at_epoch=0"}, "metric", "not 'at_epoch=0'"),
        ({"metric": "best=3"}, "metric", "not 'best=3'"),
        ({"state": "done"}, "state", "'done' is no state of a trial; there are waiting, running, complete, pruned"),
        ({"top": "0"}, "top", "must be per cent, above 0 and at most 100, not '0'"),
        ({"top": "nan"}, "top", "must be per cent"),
        (
            {"where": "width=1"},
            "where",
            "'width' is not a hyperparameter of this sweep; there are depth, learning_rate",
        ),
        ({"where": "depth"}, "where", "must be like depth=1 or learning_rate<0.1"),
        ({"where": "activation<relu"}, "where", "activation can be compared by < with a number alone, not 'relu'"),
    ],
)
def test_a_wrong_lens_says_what_would_be_right(query: dict[str, str], option: str, msg: str) -> None:
    """422, with the option's name."""
    with pytest.raises(InvalidError) as error:
        parse_lens(SWEEP, query)
    (field,) = error.value.errors
    assert field.loc == ("query", option)
    assert msg in field.msg


def test_a_chart_of_all_epochs_has_no_other_metric() -> None:
    """It would be said of values that it does not show."""
    lens = parse_lens(SWEEP, {"metric": "mean_last=3"})
    assert lens.metric == MetricLens("mean_last", 3)
    refuse_metric(lens, "runs")
    with pytest.raises(InvalidError, match="leave it out"):
        refuse_metric(lens, "epochs")


def test_a_query_is_the_lens_and_the_chart() -> None:
    """Each gets its own part."""
    assert divide({"x": "depth", "top": "20"}) == ({"top": "20"}, {"x": "depth"})


@pytest.mark.parametrize(
    ("where", "numbers"),
    [("activation=relu|sigmoid", [0, 1]), ("depth!=2|3", [0, 2, 3]), ("value>=0.8", [1, 2]), ("value<0.5", [3])],
)
def test_a_condition_has_alternatives_and_may_be_of_the_value(where: str, numbers: list[int]) -> None:
    """As brushes over names and over values need it; a trial without a value has none to compare."""
    assert seen(where=where) == numbers


@pytest.mark.parametrize("where", ["depth=1," * 41, "activation=" + "a|" * 2_000])
def test_so_much_can_be_asked_of_trials(where: str) -> None:
    """Each condition is looked at for each of 100,000 trials."""
    with pytest.raises(InvalidError, match="at most 40 conditions and 4,000 characters"):
        parse_lens(SWEEP, {"where": where})


def test_alternatives_are_read_once_for_all_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of which there may be as many: together they would take minutes."""
    read_texts: list[str] = []

    def noting(text: str) -> bool:
        read_texts.append(text)
        return text.isdecimal()

    monkeypatch.setattr(condition, "is_numeric", noting)
    assert seen(where="depth!=3|4|5") == [0, 1, 2, 3, 4]
    assert read_texts == ["3", "4", "5"]


def test_what_each_part_leaves_out_is_counted() -> None:
    """In the order of the parts, of what those before it let through."""
    lens = parse_lens(SWEEP, {"state": "complete", "where": "depth=1,learning_rate<0.3", "top": "50"})
    assert lens.sight(SWEEP, TRIALS).left_out == [
        "2 trials in other states",
        "1 trial without depth = 1",
        "1 trial without learning_rate < 0.3",
    ]
    assert lens.query == {"state": "complete", "where": "depth=1,learning_rate<0.3", "top": "50"}
    assert WHOLE.query == {}
    assert parse_lens(SWEEP, lens.query) == lens


def test_the_robust_axis_lies_by_the_error_and_counts_what_is_below() -> None:
    """0.9 and 0.99 are as far apart as 0 and 0.9; hover texts keep the value, and a click its trial."""
    values = [0.9] * 30 + [0.99] * 30 + [0.0]
    trials = [complete(number, {"depth": number}, value) for number, value in enumerate(values)]
    figure = CHARTS["history"].figure(SWEEP, trials, robust=True)
    points = next(trace for trace in figure.data if trace.name == "trial")
    assert (points.y[0], points.y[30], points.y[60]) == pytest.approx((1, 2, 0))
    assert tuple(points.customdata[30]) == (30, 0.99)
    assert "%{customdata[1]:.4f}" in points.hovertemplate
    assert 0 < figure.layout.yaxis.range[0] < 1
    assert figure.layout.title.subtitle.text.endswith(
        "y axis: log scale of the error, 1 − accuracy, up is better; 1 value below it"
    )
    assert {"0.9", "0.99"} <= set(figure.layout.yaxis.ticktext)


def test_bars_reach_as_far_on_the_robust_axis() -> None:
    """From 0.9 ± 0.05 to 0.85 and 0.95, each at its own place."""
    trials = [complete(n, {"depth": 1 + n % 2, "activation": n}, 0.85, 0.95) for n in range(2)]
    figure = CHARTS["effect"].figure(replace(SWEEP, is_grid=False), trials, query={"x": "depth"}, robust=True)
    bars = next(trace.error_y for trace in figure.data if trace.error_y.array is not None)
    std = mean_and_std([0.85, 0.95])[1]
    assert std is not None
    assert bars.array[0] == pytest.approx(-math.log10(0.1 - std) - 1)
    assert bars.arrayminus[0] == pytest.approx(1 + math.log10(0.1 + std))


def test_a_curve_on_the_robust_axis_names_its_trial() -> None:
    """The data of a point are then its trial and its value, and its hover text says one of each."""
    means = [EpochMean(0, epoch, value, None, 1, 0) for epoch, value in ((1, 0.9), (2, 0.99))]
    figure = CHARTS["all_curves"].figure(SWEEP, [complete(0, {}, 0.99)._replace(epochs=2)], means, robust=True)
    assert figure.data[0].hovertemplate.startswith("trial %{customdata[0]}<br>epoch %{x}: <b>%{customdata[1]:.4f}</b>")
    assert tuple(figure.data[0].customdata[1]) == (0, 0.99)
