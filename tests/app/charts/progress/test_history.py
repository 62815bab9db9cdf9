from app.charts.progress.history import history_data, history_figure
from app.charts.rows import Axis
from tests.support.sweeps.chart_examples import complete, diverged, pruned, sweep, waiting, with_best

RATE = Axis("learning_rate", log=True)
TRIALS = [complete(n, {"learning_rate": value}, value) for n, value in ((3, 0.4), (0, 0.2), (1, 0.1))]


def test_the_best_so_far_never_gets_worse() -> None:
    """By number, whatever the order of the rows; failed and waiting trials are no points."""
    trials = [*TRIALS, diverged(2, {"learning_rate": 9.0}, None), waiting(4, {})]
    data = history_data(sweep(RATE), trials)
    assert data.numbers == [0, 1, 3]
    assert data.best == [0.2, 0.2, 0.4]
    assert "1 failed trial left out" in data.subtitle
    assert data.texts[0] == "learning_rate 0.2"


def test_a_loss_goes_down() -> None:
    """The best so far follows the direction."""
    assert history_data(sweep(RATE, maximize=False), TRIALS).best == [0.2, 0.1, 0.1]


def test_an_accuracy_alone_has_no_axis_beyond_1() -> None:
    """Around a single value plotly's own range is 2 wide; a loss may be anything."""
    accuracies = history_figure(history_data(sweep(RATE), TRIALS[:1])).layout.yaxis.autorangeoptions
    assert (accuracies.clipmin, accuracies.clipmax) == (-0.02, 1.02)
    losses = history_figure(history_data(sweep(RATE, metric="val_loss", maximize=False), TRIALS[:1]))
    assert losses.layout.yaxis.autorangeoptions.clipmax is None


def test_thousands_of_trials_are_thinned_and_keep_the_last_best() -> None:
    """At most 2000 points; the step line ends where the search ended."""
    data = history_data(sweep(RATE), [complete(n, {"learning_rate": 0.1}, (n * 7 % 5000) / 5000) for n in range(5000)])
    assert len(data.numbers) == 2000
    assert data.best[-1] == 4999 / 5000
    assert "2,000 of 5,000 trials drawn" in data.subtitle


def test_nothing_finished_is_an_empty_figure() -> None:
    """Valid, without data."""
    assert len(history_figure(history_data(sweep(RATE), [])).data) == 0
    assert len(history_figure(history_data(sweep(RATE), TRIALS)).data) == 2


def test_pruned_trials_are_hollow_and_the_star_is_the_best_of_the_sweep() -> None:
    """A lucky single trial is the highest point, but the best is the configuration that pages call so."""
    trials = [
        complete(0, {"depth": 1}, 0.9),
        complete(1, {"depth": 2}, 0.8),
        pruned(2, {"depth": 3}, 0.95),
        complete(3, {"depth": 4}, 0.99)._replace(excluded=True),
    ]
    data = history_data(with_best(sweep(Axis("depth")), trials[1]), trials)
    assert (data.best, [point.number for point in data.pruned]) == ([0.9, 0.9], [2])
    assert "hollow: 1 pruned, 1 excluded" in data.subtitle
    names = [trace.name for trace in history_figure(data).data]
    assert names == [
        "pruned, last value",
        "excluded, last value",
        "trial",
        "best single trial so far",
        "best configuration (1 run)",
    ]
    assert history_figure(data).data[-1].y == (0.8,)
