from dataclasses import replace

import pytest

from app.charts.configurations import mean_and_std
from app.charts.lens import WHOLE, Lens, MetricLens, divide, parse_lens, refuse_metric
from app.charts.progress.history import history_data
from app.charts.rows import Axis
from app.errors import InvalidError
from tests.support.chart_examples import complete, diverged, pruned, sweep, with_best

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
