from dataclasses import replace
from datetime import UTC, datetime, timedelta

from app.charts.progress.regret import RegretOptions, Spent, regret_data, regret_figure
from app.charts.rows import TrialRow
from tests.support.sweeps.chart_examples import complete, diverged, pruned, sweep, waiting

START = datetime(2025, 1, 1, tzinfo=UTC)
SWEEP = replace(sweep(), started_at=START)


def at(trial: TrialRow, seconds: float, epochs: int) -> TrialRow:
    return trial._replace(finished_at=START + timedelta(seconds=seconds), epochs=epochs)


TRIALS = [
    at(complete(0, {}, 0.9), 30, 10),
    at(complete(1, {}, 0.5), 10, 10),
    at(pruned(2, {}, 0.99), 20, 3),
    at(diverged(3, {}, None), 25, 2),
    at(complete(4, {}, 0.7), 40, 10),
    waiting(5, {}),
]


def steps(x: Spent) -> list[tuple[float, ...]]:
    return [tuple(step) for step in regret_data(SWEEP, TRIALS, RegretOptions(x)).steps]


def test_each_new_best_is_a_step_at_what_was_spent_until_then() -> None:
    """In the order of their ends; pruned and failed trials were spent too, but are not compared."""
    assert steps("seconds") == [(10.0, 0.5, 1), (30.0, 0.9, 0)]
    assert steps("epochs") == [(10.0, 0.5, 1), (25.0, 0.9, 0)]
    assert steps("trials") == [(1.0, 0.5, 1), (4.0, 0.9, 0)]


def test_what_another_trial_was_trained_for_is_spent_once() -> None:
    """A trial that goes on has that one's epochs too, and a copy has no others."""
    longer = at(complete(6, {}, 0.95), 50, 25)._replace(epochs_copied=10)
    copy = at(complete(7, {}, 0.9), 60, 10)._replace(epochs_copied=10)
    data = regret_data(SWEEP, [*TRIALS, longer, copy], RegretOptions("epochs"))
    assert (data.steps[-1], data.end) == ((50.0, 0.95, 6), 50.0)


def test_the_line_goes_on_to_where_the_sweep_is() -> None:
    """The last trial ended after 40 seconds and 35 epochs and bettered nothing."""
    assert regret_data(SWEEP, TRIALS, RegretOptions("epochs")).end == 35.0
    (line,) = regret_figure(regret_data(SWEEP, TRIALS, RegretOptions())).data
    assert list(line.x) == [10.0, 30.0, 40.0]
    assert "0.9000</b>, trial 0" in line.text[1]


def test_the_lowest_loss_is_the_best() -> None:
    """Where the sweep minimises, a step is a lower value and drawn higher."""
    loss = replace(sweep(metric="val_loss", maximize=False), started_at=START)
    data = regret_data(loss, TRIALS, RegretOptions())
    assert [step.value for step in data.steps] == [0.5]
    assert regret_figure(regret_data(loss, TRIALS[3:4], RegretOptions())).data == ()
