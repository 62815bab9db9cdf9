from pathlib import Path
from statistics import fmean, stdev

import pytest
from sqlalchemy import Engine

from app.charts.rows import Axis, RunRow, SweepRow, TrialRow
from app.domain.configuration import ACTIVATIONS
from app.domain.objectives import Objective
from app.exercises.activations.exercise import answer, sweeps
from app.exercises.activations.figures import comparison_figure
from app.exercises.activations.tuning import SWEEP, Setting
from app.exercises.answers.finding import Answer
from app.exercises.exercise import SweepData
from tests.support.sweeps.exercise_runs import Body, run_small
from tests.support.worker_processes import Nursery

AXES = {"activation": Axis("activation", choices=ACTIVATIONS), "learning_rate": Axis("learning_rate")}
ROW = SweepRow("activation", "fashion_mnist", "holdout", Objective("val_accuracy"), 3, AXES, is_grid=True)


def trial(number: int, activation: str, rate: float, *values: float) -> TrialRow:
    params = {"activation": activation, "learning_rate": rate, "epochs": 4}
    runs = tuple(RunRow(seed, value) for seed, value in enumerate(values))
    return TrialRow(number, "complete", params, fmean(values), stdev(values), runs)


def diverged(number: int, activation: str, rate: float) -> TrialRow:
    runs = tuple(RunRow(seed, None, "diverged at epoch 1") for seed in range(3))
    params = {"activation": activation, "learning_rate": rate, "epochs": 4}
    return TrialRow(number, "failed", params, None, None, runs)


# With one rate for all sigmoid is far behind; with its own it is as good as tanh. Relu with the rate 1 diverges.
TRIALS = (
    trial(0, "relu", 0.1, 0.88, 0.89, 0.90),
    diverged(1, "relu", 1.0),
    trial(2, "tanh", 0.1, 0.84, 0.85, 0.86),
    trial(3, "tanh", 1.0, 0.80, 0.81, 0.82),
    trial(4, "sigmoid", 0.1, 0.70, 0.72, 0.71),
    trial(5, "sigmoid", 1.0, 0.85, 0.84, 0.85),
    trial(6, "identity", 0.1, 0.80, 0.81, 0.82),
    trial(7, "identity", 1.0, 0.70, 0.71, 0.72),
)


def answered(*trials: TrialRow) -> Answer:
    said = answer({SWEEP: SweepData(ROW, trials)})
    assert said is not None
    return said


def test_each_activation_has_the_rate_that_is_best_for_it() -> None:
    """By the mean over seeds, from rates none of whose runs diverged."""
    said = answered(*TRIALS)
    assert [row[:2] for row in said.rows] == [
        ("relu", "0.1"),
        ("tanh", "0.1"),
        ("sigmoid", "1"),
        ("identity", "0.1"),
    ]
    best = said.findings[0]
    assert (best.name, best.n) == ("best", 3)
    assert best.estimate == pytest.approx(0.89)
    assert best.settings == Setting("relu", 0.1)._asdict()
    assert "4.00 percentage points more" in best.text
    assert said.sentence == (
        "With the best of two learning rates for each, relu has the highest mean validation accuracy, 0.8900 (0.8652 "
        "to 0.9148 with 95 % confidence, 3 seeds); tanh is clearly behind, by 4.00 percentage points (4.00 to 4.00 "
        "with 95 % confidence, 3 seeds), and identity, the last, by 8.00 (8.00 to 8.00)."
    )


def test_the_first_that_is_clearly_behind_is_told_with_its_interval() -> None:
    """Gelu can't be told from relu, and is a hundredth ahead of silu at every seed."""
    gelu, silu = trial(8, "gelu", 0.1, 0.90, 0.88, 0.895), trial(9, "silu", 0.1, 0.89, 0.871, 0.884)
    assert answered(*TRIALS, gelu, silu).sentence.endswith(
        " seeds). relu can't be told from it; silu is clearly behind, by 1.00 percentage points (0.75 to 1.25 with 95 "
        "% confidence, 3 seeds), and identity, the last, by 8.17 (4.17 to 12.16)."
    )
    steady = trial(9, "silu", 0.1, 0.899, 0.879, 0.8941)
    assert "; silu, the second by its mean, is clearly behind, by 0.1" in answered(*TRIALS, gelu, steady).sentence
    late, slow = trial(8, "gelu", 1.0, 0.90, 0.91, 0.895), trial(9, "gelu", 0.1, 0.5, 0.5, 0.5)
    assert answered(*TRIALS, late, slow).sentence.endswith(" With a rate of 0.1 for all, relu has the highest mean.")


def test_one_rate_for_all_would_have_said_something_else() -> None:
    """Sigmoid gains most by a rate of its own: with 0.1 it is 18 points behind relu, with 1 it is 4."""
    by_name = {finding.name: finding for finding in answered(*TRIALS).findings}
    tuning, untuned = by_name["tuning"], by_name["untuned_range"]
    assert tuning.settings == {"activation": "sigmoid", "rate": 1.0}
    assert tuning.estimate == pytest.approx(fmean([0.85, 0.84, 0.85]) - 0.71)
    assert untuned.estimate == pytest.approx(0.89 - 0.71)
    assert by_name["range"].estimate == pytest.approx(0.89 - fmean([0.85, 0.84, 0.85]))
    assert by_name["range"].text.startswith(
        "The best of the three nonlinear ones, relu, has 4.33 percentage points more"
    )
    assert " than the last, sigmoid, whose best rate 1 is at the end of those tried: " in by_name["range"].text
    assert untuned.text.startswith(
        "With the one rate 0.1 for all, relu would come first, with 18.00 percentage points more"
    )
    assert " than sigmoid, the last: " in untuned.text
    assert by_name["nonlinearity"].estimate == pytest.approx(0.08)


def test_what_is_not_clear_is_not_called_better() -> None:
    """Tanh and sigmoid differ by less than their seeds do."""
    said = answered(*TRIALS[2:6])
    assert said.sentence.endswith(" seeds). sigmoid can't be told from it.")
    assert "not clear at 3 seeds" in said.findings[0].text


def test_it_tells_what_could_go_wrong() -> None:
    """Rates at the end of those tried, what diverged, and on what the best was chosen."""
    text = " ".join(answered(*TRIALS).caveats)
    assert text.startswith("Not tested: other rates than the two that each had to choose from (0.1, 1), and other wi")
    assert "at the end of those tried for relu, tanh, sigmoid, identity" in text
    assert "Diverged: 3 of 3 runs at relu 1" in text
    assert "a little too good" in text


def test_without_two_activations_there_is_nothing_to_compare() -> None:
    """One alone is no answer, and neither are runs that all diverged."""
    assert answer({SWEEP: SweepData(ROW, TRIALS[:2])}) is None


def test_both_comparisons_stand_side_by_side_by_name() -> None:
    """Points without lines between names, the best first."""
    figure = comparison_figure({SWEEP: SweepData(ROW, TRIALS)})
    means = {trace.name: trace for trace in figure.data if trace.showlegend is not False}
    assert list(means["its own best rate"].x) == ["relu", "tanh", "sigmoid", "identity"]
    assert list(means["0.1 for all"].y) == pytest.approx([0.89, 0.85, 0.71, 0.81])
    assert {trace.mode for trace in figure.data} == {"markers"}
    assert figure.layout.scattermode == "group"
    low, high = figure.layout.yaxis.range  # of all runs, and not from zero
    assert 0.65 < low < 0.70
    assert 0.90 < high < 0.95


def test_all_activations_are_compared() -> None:
    """Those that there are, each with every rate, the book's among them."""
    for preset in ("quick", "full"):
        space = sweeps(preset)[SWEEP]["space"]
        assert space["activation"] == list(ACTIVATIONS)
        assert 0.1 in space["learning_rate"]


def test_a_small_run_on_digits(nursery: Nursery, engine: Engine, tmp_path: Path) -> None:
    """What the answer says of real runs is what their rows say."""

    def smaller(_: str, body: Body) -> Body:
        changes = {"activation": ["relu", "sigmoid", "identity"], "learning_rate": [0.1, 0.5]}
        space = body["space"] | changes | {"epochs": 4, "hidden_units": 16, "batch_size": 64}
        return body | {"space": space, "seeds": 2}

    run = run_small(nursery, engine, tmp_path, 8, smaller)
    values = {
        (str(trial.params["activation"]), trial.params["learning_rate"]): trial.value or 0.0
        for trial in run.data[SWEEP].trials
    }
    assert len(values) == 6
    best = run.finding("best")
    assert best.estimate == pytest.approx(max(values.values()))
    assert values[str(best.settings["activation"]), best.settings["rate"]] == max(values.values())
    assert best.n == 2
    own = {name: max(value for (key, _), value in values.items() if key == name) for name, _ in values}
    linear = own.pop("identity")
    nonlinearity = run.finding("nonlinearity")
    assert nonlinearity.estimate == pytest.approx(max(own.values()) - linear)
    assert len(run.answer.rows) == 3
    assert all(run.charts.values())
