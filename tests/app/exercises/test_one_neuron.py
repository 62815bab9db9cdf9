"""Exercise 3: the answer says what the rows say, and a cause only where it was measured."""

from pathlib import Path
from statistics import fmean

import pytest
from sqlalchemy import Engine

from app.charts.rows import Axis, DiagnosticsRow, RunRow, SweepRow, TrialRow
from app.domain.objectives import Objective
from app.exercises.answers.diagnosed import diagnosed_runs
from app.exercises.answers.finding import Answer, Finding
from app.exercises.answers.shares import share_difference, share_interval
from app.exercises.exercise import SweepData
from app.exercises.one_neuron.exercise import answer
from app.exercises.one_neuron.findings import overlapping_pairs
from app.exercises.one_neuron.networks import ALONE, MIDDLE_90, MIDDLE_HALF, ONE, WIDTHS, outcome
from tests.support.sweeps.exercise_runs import Body, run_small
from tests.support.worker_processes import Nursery

ROW = SweepRow(
    "one", "fashion_mnist", "holdout", Objective("val_accuracy"), 4, {"hidden_layers": Axis("hidden_layers")}
)
APART, TOUCHING = [-2.0, -1.5, -1.0, -0.5, -0.1], [1.0, 2.0, 3.0, 4.0, 5.0]


def trial(number: int, width: int, activation: str, *values: float) -> TrialRow:
    params = {"hidden_layers": [8, width, 8], "activation": activation, "learning_rate": 0.1, "epochs": 4}
    runs = tuple(RunRow(seed, value) for seed, value in enumerate(values))
    return TrialRow(number, "complete", params, fmean(values), None, runs)


def row(
    number: int, seed: int, epoch: int, *, dead: float = 0.0, gradient: float = 0.01, classes: int = 7
) -> DiagnosticsRow:
    quantiles = [APART, [-3.0, -2.5, -2.2, -2.1, -2.05], TOUCHING, [2.5, 4.5, 5.0, 6.0, 7.0]]
    outputs = 1 if dead else 300
    return DiagnosticsRow(
        number, seed, epoch, [0.0, dead, 0.25], [1.0] * 4, [gradient] * 4, classes, 0.5, outputs, quantiles
    )


# two runs of ReLU at chance: the neuron of the first dies, that of the second is alive with a tiny gradient
ONES = (trial(0, 1, "relu", 0.1, 0.1, 0.5, 0.6), trial(1, 1, "tanh", 0.5, 0.5, 0.5, 0.5))
WIDER = (trial(0, 2, "relu", 0.7, 0.7, 0.7, 0.7), trial(1, 64, "relu", 0.8, 0.8, 0.81, 0.82))
MEASURED = [
    *(row(0, seed, 0) for seed in range(4)),
    row(0, 0, 4, dead=1.0, gradient=0.0, classes=1),
    row(0, 1, 4, gradient=1e-6, classes=1),
    *(row(0, seed, 4) for seed in (2, 3)),
    *(row(1, seed, epoch) for seed in range(4) for epoch in (0, 4)),
]
DATA = SweepData(ROW, ONES, (), MEASURED)
SINGLE = trial(0, 1, "relu", 0.1, 0.1, 0.1, 0.3)._replace(params={"hidden_layers": [1], "activation": "relu"})
SINGLE_ROWS = [
    row(0, seed, epoch)._replace(dead_share=[float(seed < 3 and epoch > 0)], distinct_outputs=1)
    for seed in range(4)
    for epoch in (0, 4)
]
ALONE_DATA = SweepData(ROW, [SINGLE], (), SINGLE_ROWS)


def answered() -> Answer:
    said = answer({ONE: DATA, ALONE: ALONE_DATA, WIDTHS: SweepData(ROW, WIDER)})
    assert said is not None
    return said


def finding(name: str) -> Finding:
    return next(item for item in answered().findings if item.name == name)


def test_the_cost_is_a_difference_at_equal_seeds() -> None:
    """One neuron of ReLU against the widest bottleneck."""
    assert finding("cost").estimate == pytest.approx(fmean([0.1, 0.1, 0.5, 0.6]) - fmean([0.8, 0.8, 0.81, 0.82]))
    assert finding("cost").n == 4
    sentence = answered().sentence
    assert sentence.startswith(
        "One ReLU neuron between two layers of 8 lets one number of each image through, and costs 48.25 percentage "
        "points ("
    )
    assert sentence.endswith(
        " of validation accuracy against 64 neurons there. Between two layers 2 of 4 runs (15 % to 85 % with 95 % "
        "confidence) stayed at chance, as the only hidden layer 3 of 4 runs (30 % to 95 %): in 4 of them the neuron "
        "had died."
    )
    assert answered().certainty.startswith("One neuron is worse than 64 in 4 of 4 seeds: that it costs accuracy is ")
    assert "(Wilson's): that the place makes a difference is not clear at 4 runs each." in answered().certainty
    assert any(
        "At chance is an accuracy below 0.11, where guessing gives 0.10. " in item for item in answered().caveats
    )


def test_that_a_share_differs_is_said_by_newcombe_s_interval() -> None:
    """56 of 70 and 48 of 80 differ, as in his paper; 3 of 20 and none of 20 may be alike, all of 4 and none are not."""
    assert share_difference((56, 70), (48, 80)) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    few = share_difference((3, 20), (0, 20))
    assert few is not None
    assert few[0] < 0 < few[1]
    assert share_difference((0, 0), (1, 2)) is None
    rows = [row(0, seed, epoch) for seed in range(4) for epoch in (0, 4)]
    learning = SweepData(ROW, (trial(0, 1, "relu", 0.5, 0.5, 0.5, 0.6), ONES[1]), (), [*rows, *MEASURED[-8:]])
    stuck = SweepData(ROW, [SINGLE._replace(runs=tuple(RunRow(seed, 0.1) for seed in range(4)))], (), SINGLE_ROWS)
    said = answer({ONE: learning, ALONE: stuck, WIDTHS: SweepData(ROW, WIDER)})
    assert said is not None
    assert said.sentence.endswith(
        " Between two layers none of 4 runs (0 % to 49 % with 95 % confidence) stayed at chance, as the only hidden "
        "layer all 4 runs (51 % to 100 %): in 3 of them the neuron had died."
    )
    assert "(Wilson's). Whether" in said.certainty


def test_of_a_neuron_that_is_better_it_is_asked_whether_it_brings_accuracy() -> None:
    """Not whether it costs any, which is not what is clear."""
    wider = (WIDER[0], trial(1, 64, "relu", 0.05, 0.05, 0.06, 0.05))
    said = answer({ONE: DATA, ALONE: ALONE_DATA, WIDTHS: SweepData(ROW, wider)})
    assert said is not None
    assert "One neuron is worse than 64 in 0 of 4 seeds: that it brings accuracy is " in said.certainty


def test_where_no_best_is_chosen_none_is_spoken_of() -> None:
    """Its accuracies are compared as they are, and the test images have no part in it."""
    caveats = answered().caveats
    assert caveats[0].startswith("Not tested: other rates and more epochs, and wider layers with tanh. All networks")
    assert "Accuracies are those on 10,000 training images held out." in caveats
    assert not any("test images" in caveat for caveat in caveats)


def test_causes_are_those_that_were_measured() -> None:
    """The dead neuron and the slow one are told apart; each with what was recorded of it."""
    relu = finding("at_chance_relu")
    assert (relu.estimate, relu.n) == (0.5, 4)
    assert relu.interval == pytest.approx(share_interval(2, 4))
    assert "In 1 of them the neuron is dead after the last epoch (before the first step it was not)" in relu.text
    assert "the one network gave every image the same answer, and the gradient of the first layer is 0." in relu.text
    assert (
        "In 1 the neuron is alive, and the gradient of the first layer, in the middle of these runs, 1e-06" in relu.text
    )
    assert finding("at_chance_tanh").text.startswith("One neuron between two layers, tanh: none of 4 runs (0 % to 49 %")


def test_a_neuron_that_stands_alone_is_told_apart() -> None:
    """Its runs have shares and a row of their own, and are not compared with wider bottlenecks."""
    alone = finding("at_chance_relu_alone")
    assert (alone.estimate, alone.n) == (0.75, 4)
    assert "In all of them the neuron is dead after the last epoch" in alone.text
    assert [cells[0] for cells in answered().rows] == ["1", "1, alone", "1", "2", "64"]


def test_what_relu_makes_0_of_can_not_be_told_apart() -> None:
    """Two classes lie apart below 0 and two overlap above: behind ReLU, or tanh, these are two pairs, or one."""
    runs = diagnosed_runs(DATA)
    assert [overlapping_pairs(runs[0], part) for part in (MIDDLE_HALF, MIDDLE_90)] == [1, 2]
    tanh = next(run for run in runs if run.trial.number == 1)
    assert [overlapping_pairs(tanh, part) for part in (MIDDLE_HALF, MIDDLE_90)] == [0, 1]


def test_a_width_is_enough_where_it_surely_loses_next_to_nothing() -> None:
    """Two neurons lose ten points, so nothing is enough; sixteen lose one, by its interval at most two."""
    assert finding("enough").estimate is None
    assert "not clear of any narrower bottleneck" in finding("enough").text
    wider = SweepData(ROW, (*WIDER, trial(2, 16, "relu", 0.79, 0.79, 0.80, 0.81)))
    said = answer({ONE: DATA, ALONE: ALONE_DATA, WIDTHS: wider})
    assert said is not None
    assert said.figures["enough"] == pytest.approx(-0.01)
    assert next(item for item in said.findings if item.name == "enough").settings["bottleneck"] == 16


def test_without_wider_ones_there_is_no_answer() -> None:
    """Nor without diagnostics."""
    assert answer({ONE: DATA, ALONE: ALONE_DATA, WIDTHS: SweepData(ROW)}) is None
    assert answer({ONE: SweepData(ROW, ONES), ALONE: ALONE_DATA, WIDTHS: SweepData(ROW, WIDER)}) is None


def test_a_small_run_on_digits(nursery: Nursery, engine: Engine, tmp_path: Path) -> None:
    """What the answer says of real runs is what their rows say."""

    def smaller(name: str, body: Body) -> Body:
        layers = {ONE: [[16, 1, 16]], ALONE: [[1]], WIDTHS: [[16, 2, 16], [16, 16, 16]]}[name]
        return body | {"space": body["space"] | {"hidden_layers": layers, "epochs": 3}, "seeds": 4}

    run = run_small(nursery, engine, tmp_path, 3, smaller)
    data = run.data[ONE]
    relu_runs = [item for item in diagnosed_runs(data) if item.trial.params["activation"] == "relu"]
    assert len(relu_runs) == 4
    at_chance = [item for item in relu_runs if outcome(data, item) != "learns"]
    assert run.finding("at_chance_relu").estimate == len(at_chance) / 4
    assert all(item.value < 0.11 for item in at_chance)
    classes = run.finding("predicted_classes").estimate
    assert classes == pytest.approx(fmean(item.last.predicted_classes or 0 for item in relu_runs))
    assert len(run.answer.rows) == 8
    assert run.finding("at_chance_relu_alone").n == 4
    assert all(count > 0 for count in run.charts.values())
