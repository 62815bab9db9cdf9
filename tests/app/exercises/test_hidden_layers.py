from pathlib import Path
from statistics import fmean, stdev

import pytest
from sqlalchemy import Engine

from app.charts.rows import Axis, RunRow, SweepRow, TrialRow
from app.domain.configuration import MLPConfig
from app.domain.objectives import Objective
from app.exercises.answers.finding import Answer
from app.exercises.exercise import SweepData
from app.exercises.hidden_layers.exercise import answer, equal_size_width, sweeps
from app.exercises.hidden_layers.networks import SWEEP
from tests.support.sweeps.exercise_runs import Body, run_small
from tests.support.worker_processes import Nursery

LAYERS: tuple[list[int], ...] = ([], [8], [8, 8], [8, 8, 8], [6, 6])
AXES = {"hidden_layers": Axis("hidden_layers", choices=LAYERS), "initialization": Axis("initialization")}
ROW = SweepRow("depth", "fashion_mnist", "holdout", Objective("val_accuracy"), 3, AXES)


def trial(number: int, layers: list[int], initialization: str, *values: float) -> TrialRow:
    params = {"hidden_layers": layers, "initialization": initialization, "learning_rate": 0.1, "epochs": 5}
    runs = tuple(RunRow(seed, value) for seed, value in enumerate(values))
    return TrialRow(number, "complete", params, fmean(values), stdev(values), runs)


def answered(*trials: TrialRow) -> Answer:
    said = answer({SWEEP: SweepData(ROW, trials)})
    assert said is not None
    return said


TRIALS = (
    trial(0, [], "default", 0.70, 0.71, 0.72),
    trial(1, [8], "default", 0.80, 0.82, 0.84),
    trial(2, [8, 8], "default", 0.811, 0.83, 0.85),
    trial(3, [8, 8, 8], "default", 0.80, 0.81, 0.82),
    trial(4, [6, 6], "default", 0.79, 0.83, 0.84),
    trial(5, [8], "normal", 0.80, 0.82, 0.84),
    trial(6, [8, 8], "normal", 0.60, 0.62, 0.64),
    trial(7, [8, 8, 8], "normal", 0.10, 0.10, 0.10),
    trial(8, [5, 5, 5], "normal", 0.20, 0.30, 0.10),
)


def test_the_second_layer_is_compared_at_equal_seeds() -> None:
    """A hundredth more at every seed is clear although the spreads overlap; at equal size nothing is clear."""
    said = answered(*TRIALS)
    assert said.sentence == (
        "From torch's default weights, a second hidden layer of 8 units raises the validation accuracy by 1.03 "
        "percentage points (0.89 to 1.18 with 95 % confidence, 3 seeds). From the book's, normal with standard "
        "deviation 0.01, it lowers the validation accuracy by 20.00 percentage points (20.00 to 20.00 with 95 % "
        "confidence, 3 seeds). With 3 hidden layers the book's reach 71.00 percentage points less (68.52 to 73.48 with "
        "95 % confidence, 3 seeds) than torch's."
    )
    assert said.caveats[0].startswith("Not tested: other rates and more epochs")
    assert said.figures["second_layer_from_scratch"] == pytest.approx(-0.2)
    assert said.figures["second_layer"] == pytest.approx(0.031 / 3)
    assert said.figures["second_layer_equal_size"] == pytest.approx(0.0)
    assert "not clear at 3 seeds" in said.findings[1].text


def test_a_second_layer_that_changes_nothing_clearly_is_said_to() -> None:
    """One seed more and two less are within the noise; less at every seed is a loss."""
    unclear = answered(*TRIALS[:2], trial(2, [8, 8], "default", 0.81, 0.81, 0.83)).sentence
    assert unclear.startswith(
        "From torch's default weights, a second hidden layer of 8 units makes no clear difference: the validation "
        "accuracy is 0.33 percentage points less (between "
    )
    worse = answered(*TRIALS[:2], trial(2, [8, 8], "default", 0.79, 0.81, 0.829)).sentence
    assert "second hidden layer of 8 units lowers the validation accuracy by 1.03 percentage points (0.89 to " in worse
    noisy = answered(*TRIALS[:7], trial(7, [8, 8, 8], "normal", 0.80, 0.83, 0.81)).sentence
    assert ") than torch's: not clear at 3 seeds; " in noisy


def test_the_start_from_scratch_is_told_of_the_deepest_network() -> None:
    """All three runs of three layers are no better than guessing; of narrower layers two are."""
    finding = answered(*TRIALS).findings[2]
    assert (finding.name, finding.settings) == ("from_scratch", {"depth": 3, "initialization": "normal"})
    assert finding.estimate == pytest.approx(-0.71)
    assert finding.text.startswith("With 3 hidden layers of 8 units, ")
    assert "; in validation 71.00 percentage points less (" in finding.text
    assert "All 3 runs stayed at chance (below 0.11, where guessing gives 0.10)." in finding.text
    assert finding.text.endswith(
        "In shallower ones the difference is, in percentage points: 0.00 (0.00 to 0.00) with 1 hidden layer, −21.03 "
        "(−21.18 to −20.89) with 2. With layers of 5 units, as many parameters as one layer has, it is 0.2000 ± 0.1000,"
        " and 1 of 3 runs stayed at chance."
    )


def test_without_two_layers_there_is_no_answer() -> None:
    """The question is about the second one."""
    assert answer({SWEEP: SweepData(ROW, TRIALS[:2])}) is None


def test_networks_of_equal_size_have_as_many_parameters() -> None:
    """Within half a per cent of one layer of 256 units."""
    one = MLPConfig((256,)).parameter_count(784, 10)
    for depth in (2, 3, 4):
        layers = (equal_size_width(256, depth),) * depth
        assert MLPConfig(layers).parameter_count(784, 10) == pytest.approx(one, rel=0.005)


def test_a_small_run_on_digits(nursery: Nursery, engine: Engine, tmp_path: Path) -> None:
    """What the answer says of real runs is what their rows say."""

    def smaller(_: str, body: Body) -> Body:
        space = body["space"] | {"hidden_layers": [[], [16], [16, 16], [14, 14]], "epochs": 3}
        return body | {"space": space, "seeds": 2}

    run = run_small(nursery, engine, tmp_path, 2, smaller)
    values = {
        (str(trial.params["hidden_layers"]), str(trial.params["initialization"])): trial.value or 0.0
        for trial in run.data[SWEEP].trials
    }
    assert len(values) == 8
    expected = values["[16, 16]", "default"] - values["[16]", "default"]
    assert run.finding("second_layer").estimate == pytest.approx(expected)
    assert run.finding("second_layer").n == 2
    scratch = values["[16, 16]", "normal"] - values["[16, 16]", "default"]
    assert run.finding("from_scratch").estimate == pytest.approx(scratch)
    assert len(run.answer.rows) == 8
    assert all(run.charts.values())


def test_its_grid_has_both_kinds_of_networks() -> None:
    """Depths 0 to 4 of 256 units, and 2 to 4 of fewer."""
    layers = sweeps("full")[SWEEP]["space"]["hidden_layers"]
    assert [len(widths) for widths in layers] == [0, 1, 2, 3, 4, 2, 3, 4]
