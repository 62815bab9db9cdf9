from pathlib import Path
from statistics import fmean, stdev

import pytest
from sqlalchemy import Engine

from app.charts.rows import Axis, EpochRow, RunRow, SweepRow, TrialRow
from app.domain.objectives import Objective
from app.exercises.answers.finding import Answer
from app.exercises.exercise import SweepData
from app.exercises.learning_rate.exercise import answer
from app.exercises.learning_rate.figures import close_figure, optimum_figure, rate_figure
from app.exercises.learning_rate.rates import SWEEP, budgets, rates_by_epochs
from tests.support.sweeps.exercise_runs import Body, run_small
from tests.support.worker_processes import Nursery

RATES = (0.01, 0.1, 1.0, 10.0)
ROW = SweepRow(
    "rate",
    "fashion_mnist",
    "holdout",
    Objective("val_accuracy"),
    3,
    {"learning_rate": Axis("learning_rate", choices=RATES), "epochs": Axis("epochs")},
    is_grid=True,
)
Curve = tuple[float | None, ...]
# The mean accuracy after 1 to 4 epochs: the small rate is slow, the large one quick, the largest diverges at epoch 2.
CURVES: dict[float, Curve] = {
    0.01: (0.3, 0.5, 0.6, 0.7),
    0.1: (0.5, 0.7, 0.8, 0.9),
    1.0: (0.7, 0.75, 0.8, 0.8),
    10.0: (0.1, None, None, None),
}
NOISE = (-0.01, 0.0, 0.011)  # of the seeds, at every rate alike


def measured(curves: dict[float, Curve], seeds: int = 3) -> SweepData:
    trials, epochs = [], []
    for number, (rate, means) in enumerate(curves.items()):
        values = [None if means[-1] is None else means[-1] + NOISE[seed] for seed in range(seeds)]
        runs = tuple(RunRow(seed, value, None if value else "diverged") for seed, value in enumerate(values))
        sound = [value for value in values if value is not None]
        mean, state = (fmean(sound), "complete") if sound else (None, "failed")
        params = {"learning_rate": rate, "epochs": 4, "hidden_units": 8}
        trials.append(TrialRow(number, state, params, mean, stdev(sound) if len(sound) > 1 else None, runs))
        epochs += [_row(number, seed, epoch, mean) for seed in range(seeds) for epoch, mean in _until_divergence(means)]
    return SweepData(ROW, trials, epochs)


def _until_divergence(means: Curve) -> list[tuple[int, float | None]]:
    first = means.index(None) if None in means else len(means) - 1
    return list(enumerate(means[: first + 1], start=1))


def _row(number: int, seed: int, epoch: int, mean: float | None) -> EpochRow:
    if mean is None:  # the accuracy of a diverged run may still be a number
        return EpochRow(number, seed, epoch, None, 0.1, None, 0.1)
    return EpochRow(number, seed, epoch, 0.5, mean, 0.5, mean + NOISE[seed])


def answered(data: SweepData) -> Answer:
    said = answer({SWEEP: data})
    assert said is not None
    return said


def test_fewer_epochs_are_the_beginnings_of_the_same_runs() -> None:
    """After each epoch a level for each rate; a run that has diverged stays so."""
    by_epochs = rates_by_epochs(measured(CURVES))
    assert list(by_epochs) == [1, 2, 3, 4]
    assert by_epochs[2][0.1].mean == pytest.approx(0.7 + fmean(NOISE))
    assert [(by_epochs[n][10.0].n, by_epochs[n][10.0].diverged) for n in (1, 2, 4)] == [(3, 0), (0, 3), (0, 3)]
    assert budgets(by_epochs) == [1, 2, 3, 4]
    assert budgets({epochs: {} for epochs in range(1, 21)}) == [1, 3, 5, 10, 20]


def test_the_best_rate_moves_with_the_epochs() -> None:
    """1 is best after one epoch, a tenth of it after four, at each seed; choosing early would cost a tenth."""
    said = answered(measured(CURVES))
    assert said.sentence == (
        "After 4 epochs a rate of 0.1 is best, with a validation accuracy of 0.9003 (0.8742 to 0.9264 with 95 % "
        "confidence, 3 seeds). After 1 epoch, 1 is best: that the best rate moves is clear at 3 seeds. Training fails "
        "(it diverges, or ends below 0.50) at a rate of 10 in all 3 runs."
    )
    by_name = {finding.name: finding for finding in said.findings}
    assert by_name["best"].estimate == pytest.approx(0.9 + fmean(NOISE))
    assert by_name["best"].settings == {"learning_rate": 0.1, "epochs": 4}
    assert by_name["shift"].estimate == pytest.approx(0.1)
    assert by_name["shift"].n == 3
    assert by_name["chosen_early"].estimate == pytest.approx(-0.1)
    assert "clear at 3 seeds" in by_name["chosen_early"].text
    assert (by_name["too_large"].estimate, by_name["too_large"].n) == (10.0, 3)
    assert by_name["too_large"].text == (
        "At 10, of 3 runs 3 diverged; none of these had been above 0.50 after an earlier epoch."
    )
    assert said.caveats[0].startswith("Not tested: schedules, other networks, batch sizes and optimizers")
    assert said.best_row == 1
    assert said.rows[3] == ("10", "0.1003", "diverged", "diverged", "diverged", "", "0 of 3")


def test_runs_that_learned_before_they_failed_are_counted() -> None:
    """A rate whose runs come above the middle and fall to a guess; a larger one fails from the beginning."""
    said = answered(measured(CURVES | {5.0: (0.3, 0.8, 0.7, 0.1)}))
    text = next(finding.text for finding in said.findings if finding.name == "too_large")
    assert text == (
        "At 5, of 3 runs 3 ended below 0.50, nearer to guessing than to the best; 3 of these had been above 0.50 after "
        "an earlier epoch."
    )
    assert said.sentence.endswith("below 0.50) at a rate of 5 in all 3 runs, at 10 in all 3 runs.")


def test_rates_that_cannot_be_told_apart_are_named() -> None:
    """Differences that change their sign from seed to seed are not clear, so the best is a range."""
    data = measured(CURVES | {1.0: (0.7, 0.75, 0.8, 0.895)})
    rows = [
        row._replace(val_accuracy=(row.val_accuracy or 0) + (0.03, -0.03, 0.0)[row.seed])
        if row.trial == 2 and row.epoch == 4
        else row
        for row in data.epochs
    ]
    said = answered(SweepData(data.sweep, data.trials, rows))
    assert " 3 seeds); 0.1 to 1 can't be told apart. After 1 epoch, " in said.sentence
    assert "not clear at 3 seeds" in next(finding.text for finding in said.findings if finding.name == "chosen_early")


def test_a_small_rate_is_told_to_catch_up_where_it_does() -> None:
    """It is forty points behind after one epoch and twenty after four, at every seed; or as far as at the start."""
    text = next(item.text for item in answered(measured(CURVES)).findings if item.name == "small_rate")
    assert text.startswith(
        "The more epochs, the less a small rate loses: the best rate has 40.00 percentage points more"
    )
    assert "than 0.01 after 1 epoch, and 20.00 percentage points more" in text
    said = answered(measured(CURVES | {0.01: (0.3, 0.3, 0.3, 0.3)}))
    assert next(item.text for item in said.findings if item.name == "small_rate").startswith("The best rate has 40.00")
    said = answered(measured({0.01: CURVES[0.1], 10.0: CURVES[10.0]}))
    assert "small_rate" not in said.figures


def test_one_seed_says_nothing_of_luck() -> None:
    """Then there are no intervals, and the answer says so."""
    said = answered(measured(CURVES, seeds=1))
    assert said.findings[0].interval is None
    assert said.certainty.startswith("One run a rate")
    assert answer({SWEEP: SweepData(ROW)}) is None


def test_its_charts_show_the_epochs_and_the_best_rate() -> None:
    """A line for each number of epochs, and the best rate after each."""
    data = {SWEEP: measured(CURVES)}
    names = [trace.name for trace in rate_figure(data).data if trace.showlegend is not False]
    assert names == ["1 epoch", "2 epochs", "3 epochs", "4 epochs"]
    assert rate_figure(data).layout.xaxis.title.text == optimum_figure(data).layout.yaxis.title.text == "learning rate"
    assert close_figure(data).layout.yaxis.range[0] > 0.3
    (line,) = optimum_figure(data).data
    assert (list(line.x), list(line.y)) == ([1, 2, 3, 4], [1.0, 1.0, 0.1, 0.1])


def test_a_small_run_on_digits(nursery: Nursery, engine: Engine, tmp_path: Path) -> None:
    """What the answer says of real runs is what their curves say."""

    def smaller(_: str, body: Body) -> Body:
        space = body["space"] | {"learning_rate": [0.01, 0.3], "epochs": 4, "hidden_units": 16, "batch_size": 64}
        return body | {"space": space, "seeds": 2}

    run = run_small(nursery, engine, tmp_path, 4, smaller)
    data = run.data[SWEEP]
    last = {
        (trial.params["learning_rate"], row.seed): row.val_accuracy
        for trial in data.trials
        for row in data.epochs
        if row.trial == trial.number and row.epoch == 4
    }
    means = {rate: fmean(value or 0.0 for (key, _), value in last.items() if key == rate) for rate in (0.01, 0.3)}
    best = max(means, key=lambda rate: means[rate])
    finding = run.finding("best")
    assert (finding.settings["learning_rate"], finding.n) == (best, 2)
    assert finding.estimate == pytest.approx(means[best])
    assert finding.estimate == pytest.approx(max(trial.value or 0.0 for trial in data.trials))
    assert len(run.answer.rows) == 2
    assert all(run.charts.values())
